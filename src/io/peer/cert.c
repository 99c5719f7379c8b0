/* SPDX-License-Identifier: Apache-2.0 */
#include "io/peer/cert.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CERT_ALT_NAMES_MAX 64
#define DAY_S ((time_t)24 * 60 * 60)

static int load_file(const char *path, const char *what, gnutls_datum_t *ret_pem,
                     struct errmsg *msg)
{
    int saved;
    errno = 0;
    if (gnutls_load_file(path, ret_pem) == 0)
        return 0;
    saved = errno;
    if (saved == ENOENT)
        return errmsg_set(msg, ERR_NOTFOUND,
                          "%s '%s' does not exist: create it with 'tandem init' or correct the "
                          "path in the tls block",
                          what, path);
    if (saved == EACCES || saved == EPERM)
        return errmsg_set(msg, ERR_PERM, "%s '%s' may not be read: check owner and mode", what,
                          path);
    return errmsg_set(msg, ERR_IO, "%s '%s' cannot be read: %s", what, path,
                      saved != 0 ? strerror(saved) : "unknown error");
}

int cert_load_list(const char *path, const char *what, struct cert_list *ret_list,
                   struct errmsg *msg)
{
    gnutls_datum_t pem = {NULL, 0};
    struct cert_list list = {NULL, 0};
    int rv = load_file(path, what, &pem, msg);
    if (rv != 0)
        return rv;
    rv = gnutls_x509_crt_list_import2(&list.crt, &list.n, &pem, GNUTLS_X509_FMT_PEM, 0);
    gnutls_free(pem.data);
    if (rv < 0)
        return errmsg_set(msg, ERR_FORMAT, "%s '%s' is not a PEM certificate: %s", what, path,
                          gnutls_strerror(rv));
    *ret_list = list;
    return 0;
}

void cert_list_free(struct cert_list *list)
{
    for (unsigned i = 0; i < list->n; i++)
        gnutls_x509_crt_deinit(list->crt[i]);
    gnutls_free(list->crt);
    *list = (struct cert_list){NULL, 0};
}

int cert_load_key(const char *path, const char *what, gnutls_x509_privkey_t *ret_key,
                  struct errmsg *msg)
{
    gnutls_datum_t pem = {NULL, 0};
    gnutls_x509_privkey_t key;
    int rv = load_file(path, what, &pem, msg);
    if (rv != 0)
        return rv;
    rv = gnutls_x509_privkey_init(&key);
    if (rv == 0) {
        rv = gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, /* password= */ NULL, 0);
        if (rv != 0)
            gnutls_x509_privkey_deinit(key);
    }
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    if (rv != 0)
        return errmsg_set(msg, ERR_FORMAT, "%s '%s' is not an unencrypted PEM key: %s", what, path,
                          gnutls_strerror(rv));
    *ret_key = key;
    return 0;
}

/* A name with a NUL inside never equals one of ours: the length must match too. */
static bool same_text(const char *got, size_t got_len, const char *want)
{
    return got_len == strlen(want) && memcmp(got, want, got_len) == 0;
}

/* The index-th value of a subject field is `want`. */
static bool field_is(gnutls_x509_crt_t crt, const char *oid, unsigned index, const char *want)
{
    char buf[256];
    size_t len = sizeof(buf);
    return gnutls_x509_crt_get_dn_by_oid(crt, oid, index, 0, buf, &len) == 0 &&
           same_text(buf, len, want);
}

static bool field_exists(gnutls_x509_crt_t crt, const char *oid, unsigned index)
{
    size_t len = 0;
    return gnutls_x509_crt_get_dn_by_oid(crt, oid, index, 0, NULL, &len) !=
           GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
}

bool cert_is_of_cluster(gnutls_x509_crt_t crt, const char *cluster)
{
    return field_is(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 0, cluster) &&
           !field_exists(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, 1);
}

bool cert_is_of_node(gnutls_x509_crt_t crt, const char *node)
{
    if (field_is(crt, GNUTLS_OID_X520_COMMON_NAME, 0, node))
        return true;
    for (unsigned i = 0; i < CERT_ALT_NAMES_MAX; i++) {
        char buf[256];
        size_t len = sizeof(buf);
        int type = gnutls_x509_crt_get_subject_alt_name(crt, i, buf, &len, /* critical= */ NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        if (type == GNUTLS_SAN_DNSNAME && same_text(buf, len, node))
            return true;
    }
    return false;
}

void cert_subject(gnutls_x509_crt_t crt, char *buf, size_t size)
{
    gnutls_datum_t dn = {NULL, 0};
    if (gnutls_x509_crt_get_dn3(crt, &dn, 0) == 0 && dn.size > 0)
        (void)snprintf(buf, size, "%.*s", (int)dn.size, (const char *)dn.data);
    else
        (void)snprintf(buf, size, "(no subject)");
    gnutls_free(dn.data);
}

int cert_days_left(gnutls_x509_crt_t crt)
{
    time_t end = gnutls_x509_crt_get_expiration_time(crt);
    time_t left;
    if (end == (time_t)-1)
        return INT_MIN;
    left = end - time(NULL);
    return (int)(left >= 0 ? left / DAY_S : -((-left + DAY_S - 1) / DAY_S));
}

int64_t cert_end_s(gnutls_x509_crt_t crt)
{
    return (int64_t)gnutls_x509_crt_get_expiration_time(crt);
}

bool cert_has_begun(gnutls_x509_crt_t crt)
{
    return gnutls_x509_crt_get_activation_time(crt) <= time(NULL);
}

bool cert_key_matches(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    uint8_t a[64];
    uint8_t b[64];
    size_t a_len = sizeof(a);
    size_t b_len = sizeof(b);
    return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &a_len) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &b_len) == 0 &&
           a_len == b_len && memcmp(a, b, a_len) == 0;
}
