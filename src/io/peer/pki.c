/* SPDX-License-Identifier: Apache-2.0 */
#include "io/peer/pki.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "io/peer/cert.h"
#include "wire/limits.h"

#define PKI_PEM_MAX 4096u
#define PKI_SERIAL_BYTES 16u
#define PKI_BEGIN_EARLIER_S (24 * 60 * 60)
/* X.520 bounds of CN and O. */
#define PKI_NAME_MAX 64u
#define DAY_S ((time_t)24 * 60 * 60)

/* One certificate in the making. */
struct pki_request {
    const char *cluster;
    const char *node;    /* NULL: the CA itself */
    const char *address; /* may be NULL */
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
};

static int tls_error(struct errmsg *msg, const char *step, int tls_rv)
{
    return errmsg_set(msg, tls_rv == GNUTLS_E_MEMORY_ERROR ? ERR_NOMEM : ERR_AUTH, "%s: %s", step,
                      gnutls_strerror(tls_rv));
}

static int pki_path(char path[PATH_MAX], const char *dir, const char *name, const char *suffix,
                    struct errmsg *msg)
{
    int n = snprintf(path, PATH_MAX, "%s/%s%s", dir, name, suffix);
    if (n < 0 || n >= PATH_MAX)
        return errmsg_set(msg, ERR_INVAL, "path '%s/%s%s' is too long", dir, name, suffix);
    return 0;
}

/* Names become file names and certificate fields. */
static int check_name(const char *what, const char *name, struct errmsg *msg)
{
    size_t len = strlen(name);
    if (len == 0 || len >= PKI_NAME_MAX || name[0] == '.' || strchr(name, '/') != NULL)
        return errmsg_set(msg, ERR_INVAL,
                          "%s '%s' must have 1 to %u characters, no '/' and no leading '.'", what,
                          name, PKI_NAME_MAX - 1);
    return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv;
    if (fd < 0)
        return -1;
    rv = fsync(fd);
    (void)close(fd);
    return rv;
}

static int io_error(struct errmsg *msg, const char *what, const char *path)
{
    int saved = errno;
    return errmsg_set(msg, saved == ENOSPC ? ERR_NOSPC : ERR_IO, "cannot %s '%s': %s", what, path,
                      strerror(saved));
}

/* Whole file or none: temporary name, fsync, rename, fsync of the directory. */
static int write_file(const char *path, const char *text, mode_t mode, struct errmsg *msg)
{
    char temp[PATH_MAX + 8];
    int rv = 0;
    int fd;
    (void)snprintf(temp, sizeof(temp), "%s.new", path);
    (void)unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error(msg, "create", temp);
    if (write_all(fd, text, strlen(text)) != 0 || fchmod(fd, mode) != 0)
        rv = io_error(msg, "write", temp);
    (void)close(fd);
    if (rv == 0 && rename(temp, path) != 0)
        rv = io_error(msg, "rename to", path);
    if (rv != 0)
        (void)unlink(temp);
    return rv;
}

/* The key first: a certificate that exists then always has its key. */
static int write_pair(const char *dir, const char *name, const struct pki_request *r,
                      struct errmsg *msg)
{
    char path[PATH_MAX];
    char pem[PKI_PEM_MAX] = "";
    size_t len = sizeof(pem) - 1;
    int rv = gnutls_x509_privkey_export_pkcs8(r->key, GNUTLS_X509_FMT_PEM, /* password= */ NULL,
                                              GNUTLS_PKCS_PLAIN, pem, &len);
    if (rv != 0)
        return tls_error(msg, "export key", rv);
    rv = pki_path(path, dir, name, ".key", msg);
    if (rv == 0)
        rv = write_file(path, pem, 0600, msg);
    gnutls_memset(pem, 0, sizeof(pem));
    if (rv != 0)
        return rv;
    len = sizeof(pem) - 1;
    rv = gnutls_x509_crt_export(r->crt, GNUTLS_X509_FMT_PEM, pem, &len);
    if (rv != 0)
        return tls_error(msg, "export certificate", rv);
    rv = pki_path(path, dir, name, ".pem", msg);
    if (rv == 0)
        rv = write_file(path, pem, 0644, msg);
    if (rv == 0 && sync_dir(dir) != 0)
        rv = io_error(msg, "sync", dir);
    return rv;
}

static int set_serial(gnutls_x509_crt_t crt)
{
    uint8_t serial[PKI_SERIAL_BYTES];
    int rv = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
    if (rv != 0)
        return rv;
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive and of full length (RFC 5280 4.1.2.2) */
    return gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_subject(const struct pki_request *r)
{
    char ca_name[PKI_NAME_MAX + 16];
    const char *cn = r->node;
    int rv = gnutls_x509_crt_set_dn_by_oid(r->crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, r->cluster,
                                           (unsigned)strlen(r->cluster));
    if (cn == NULL) {
        /* The CN may have 64 characters; the whole cluster name stands in O. */
        (void)snprintf(ca_name, sizeof(ca_name), "tandem CA of %.50s", r->cluster);
        cn = ca_name;
    }
    if (rv == 0)
        rv = gnutls_x509_crt_set_dn_by_oid(r->crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
                                           (unsigned)strlen(cn));
    return rv;
}

static int set_alternative_names(const struct pki_request *r)
{
    uint8_t ip[16];
    unsigned len = 0;
    int rv = gnutls_x509_crt_set_subject_alt_name(r->crt, GNUTLS_SAN_DNSNAME, r->node,
                                                  (unsigned)strlen(r->node), GNUTLS_FSAN_SET);
    if (rv != 0 || r->address == NULL)
        return rv;
    if (inet_pton(AF_INET, r->address, ip) == 1)
        len = 4;
    else if (inet_pton(AF_INET6, r->address, ip) == 1)
        len = 16;
    if (len == 0)
        return 0;
    return gnutls_x509_crt_set_subject_alt_name(r->crt, GNUTLS_SAN_IPADDRESS, ip, len,
                                                GNUTLS_FSAN_APPEND);
}

static int set_usage(const struct pki_request *r)
{
    int rv;
    if (r->node == NULL) {
        rv = gnutls_x509_crt_set_basic_constraints(r->crt, /* ca= */ 1, /* pathlen= */ 0);
        if (rv == 0)
            rv = gnutls_x509_crt_set_key_usage(r->crt,
                                               GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
        return rv;
    }
    rv = gnutls_x509_crt_set_basic_constraints(r->crt, /* ca= */ 0, /* pathlen= */ -1);
    if (rv == 0)
        rv = gnutls_x509_crt_set_key_usage(r->crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rv == 0)
        rv = gnutls_x509_crt_set_key_purpose_oid(r->crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (rv == 0)
        rv = gnutls_x509_crt_set_key_purpose_oid(r->crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    if (rv == 0)
        rv = set_alternative_names(r);
    return rv;
}

static int set_times(const struct pki_request *r)
{
    time_t now = time(NULL);
    int days = r->node == NULL ? PKI_CA_DAYS : PKI_NODE_DAYS;
    int rv = gnutls_x509_crt_set_activation_time(r->crt, now - PKI_BEGIN_EARLIER_S);
    if (rv == 0)
        rv = gnutls_x509_crt_set_expiration_time(r->crt, now + DAY_S * days);
    return rv;
}

/* Two authorities of one cluster bear the same name: while one is replaced by the other, only the
 * key's id tells which of them has signed. */
static int set_authority(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca)
{
    uint8_t id[64];
    size_t id_len = sizeof(id);
    int rv;
    if (ca == NULL)
        return 0;
    rv = gnutls_x509_crt_get_subject_key_id(ca, id, &id_len, /* critical= */ NULL);
    if (rv == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return 0; /* an authority of the operator's own making */
    return rv != 0 ? rv : gnutls_x509_crt_set_authority_key_id(crt, id, id_len);
}

/* Fills r->key and r->crt; the caller clears both with pki_clear(), also after a failure. */
static int pki_make(struct pki_request *r, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key)
{
    uint8_t id[32];
    size_t id_len = sizeof(id);
    int rv = gnutls_x509_privkey_init(&r->key);
    if (rv == 0)
        rv = gnutls_x509_privkey_generate(r->key, GNUTLS_PK_ECDSA,
                                          GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (rv == 0)
        rv = gnutls_x509_crt_init(&r->crt);
    if (rv == 0)
        rv = gnutls_x509_crt_set_version(r->crt, 3);
    if (rv == 0)
        rv = set_serial(r->crt);
    if (rv == 0)
        rv = set_times(r);
    if (rv == 0)
        rv = set_subject(r);
    if (rv == 0)
        rv = gnutls_x509_crt_set_key(r->crt, r->key);
    if (rv == 0)
        rv = set_usage(r);
    if (rv == 0)
        rv = gnutls_x509_crt_get_key_id(r->crt, GNUTLS_KEYID_USE_SHA1, id, &id_len);
    if (rv == 0)
        rv = gnutls_x509_crt_set_subject_key_id(r->crt, id, id_len);
    if (rv == 0)
        rv = set_authority(r->crt, ca);
    if (rv == 0)
        rv = gnutls_x509_crt_sign2(r->crt, ca != NULL ? ca : r->crt,
                                   ca_key != NULL ? ca_key : r->key, GNUTLS_DIG_SHA256, 0);
    return rv;
}

static void pki_clear(struct pki_request *r)
{
    if (r->crt != NULL)
        gnutls_x509_crt_deinit(r->crt);
    if (r->key != NULL)
        gnutls_x509_privkey_deinit(r->key);
}

static int check_absent(const char *dir, const char *name, struct errmsg *msg)
{
    char path[PATH_MAX];
    int rv = pki_path(path, dir, name, ".pem", msg);
    if (rv != 0)
        return rv;
    if (access(path, F_OK) == 0)
        return errmsg_set(msg, ERR_EXISTS, "'%s' exists already: remove it to make a new one",
                          path);
    return 0;
}

int pki_create_ca(const char *dir, const char *cluster, struct errmsg *msg)
{
    struct pki_request r = {.cluster = cluster};
    int rv = check_name("cluster name", cluster, msg);
    if (rv != 0)
        return rv;
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return io_error(msg, "create directory", dir);
    rv = check_absent(dir, "ca", msg);
    if (rv != 0)
        return rv;
    rv = pki_make(&r, NULL, NULL);
    if (rv != 0)
        rv = tls_error(msg, "make the CA certificate", rv);
    else
        rv = write_pair(dir, "ca", &r, msg);
    pki_clear(&r);
    return rv;
}

static int load_ca(const char *dir, const char *cluster, struct cert_list *ret_ca,
                   gnutls_x509_privkey_t *ret_key, struct errmsg *msg)
{
    char path[PATH_MAX];
    struct cert_list ca;
    int rv = pki_path(path, dir, "ca", ".pem", msg);
    if (rv == 0)
        rv = cert_load_list(path, "CA certificate", &ca, msg);
    if (rv != 0)
        return rv;
    if (!cert_is_of_cluster(ca.crt[0], cluster))
        rv = errmsg_set(msg, ERR_AUTH,
                        "CA certificate '%s' belongs to another cluster than '%s': use another "
                        "directory",
                        path, cluster);
    if (rv == 0)
        rv = pki_path(path, dir, "ca", ".key", msg);
    if (rv == 0)
        rv = cert_load_key(path, "CA key", ret_key, msg);
    if (rv != 0) {
        cert_list_free(&ca);
        return rv;
    }
    *ret_ca = ca;
    return 0;
}

int pki_create_node(const char *dir, const char *cluster, const char *node, const char *address,
                    struct errmsg *msg)
{
    struct pki_request r = {.cluster = cluster, .node = node, .address = address};
    struct cert_list ca;
    gnutls_x509_privkey_t ca_key;
    int rv = check_name("node name", node, msg);
    if (rv == 0 && strcmp(node, "ca") == 0)
        rv =
            errmsg_set(msg, ERR_INVAL, "a node cannot be called 'ca': its files would be the CA's");
    if (rv == 0)
        rv = check_absent(dir, node, msg);
    if (rv == 0)
        rv = load_ca(dir, cluster, &ca, &ca_key, msg);
    if (rv != 0)
        return rv;
    rv = pki_make(&r, ca.crt[0], ca_key);
    if (rv != 0)
        rv = tls_error(msg, "make the node certificate", rv);
    else
        rv = write_pair(dir, node, &r, msg);
    pki_clear(&r);
    cert_list_free(&ca);
    gnutls_x509_privkey_deinit(ca_key);
    return rv;
}

static int check_key_mode(const char *path, struct errmsg *msg)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return io_error(msg, "read the mode of", path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return errmsg_set(msg, ERR_PERM, "key '%s' has mode %04o, others may use it: chmod 0600 it",
                          path, (unsigned)(st.st_mode & 07777));
    return 0;
}

/* The certificate's issuer in the list, NULL if none signed it. Times are the caller's to judge. */
static gnutls_x509_crt_t find_issuer(const struct cert_list *ca, gnutls_x509_crt_t crt)
{
    for (unsigned i = 0; i < ca->n; i++) {
        unsigned status = 0;
        int rv =
            gnutls_x509_crt_verify(crt, &ca->crt[i], 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &status);
        if (rv == 0 && status == 0)
            return ca->crt[i];
    }
    return NULL;
}

static int check_key(const struct pki_files *files, gnutls_x509_crt_t crt, struct errmsg *msg)
{
    gnutls_x509_privkey_t key;
    bool matches;
    int rv = cert_load_key(files->key, "key", &key, msg);
    if (rv != 0)
        return rv;
    matches = cert_key_matches(crt, key);
    gnutls_x509_privkey_deinit(key);
    if (!matches)
        return errmsg_set(msg, ERR_AUTH,
                          "key '%s' does not belong to certificate '%s': create the pair again",
                          files->key, files->cert);
    return check_key_mode(files->key, msg);
}

static int check_names(const char *file, gnutls_x509_crt_t crt, const char *cluster,
                       const char *node, struct errmsg *msg)
{
    if (!cert_is_of_cluster(crt, cluster))
        return errmsg_set(msg, ERR_AUTH,
                          "certificate '%s' is not of cluster '%s' (its O): create it for this "
                          "cluster",
                          file, cluster);
    if (!cert_is_of_node(crt, node))
        return errmsg_set(msg, ERR_AUTH,
                          "certificate '%s' does not name node '%s' (CN or DNS name): use this "
                          "node's own certificate",
                          file, node);
    return 0;
}

int pki_check(const struct pki_files *files, const char *cluster, const char *node,
              struct pki_facts *ret_facts, struct errmsg *msg)
{
    struct cert_list ca = {NULL, 0};
    struct cert_list crt = {NULL, 0};
    gnutls_x509_crt_t issuer = NULL;
    int rv = cert_load_list(files->ca, "CA certificate", &ca, msg);
    if (rv == 0)
        rv = cert_load_list(files->cert, "certificate", &crt, msg);
    if (rv == 0) {
        issuer = find_issuer(&ca, crt.crt[0]);
        if (issuer == NULL)
            rv = errmsg_set(msg, ERR_AUTH,
                            "certificate '%s' was not signed by the CA '%s': create it again with "
                            "this CA",
                            files->cert, files->ca);
    }
    if (rv == 0)
        rv = check_names(files->cert, crt.crt[0], cluster, node, msg);
    if (rv == 0)
        rv = check_key(files, crt.crt[0], msg);
    if (rv == 0)
        *ret_facts = (struct pki_facts){.ca_days = cert_days_left(issuer),
                                        .cert_days = cert_days_left(crt.crt[0]),
                                        .ca_end_s = cert_end_s(issuer),
                                        .cert_end_s = cert_end_s(crt.crt[0]),
                                        .has_begun = cert_has_begun(crt.crt[0])};
    cert_list_free(&ca);
    cert_list_free(&crt);
    return rv;
}
