/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/init.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/config/install_text.h"

#define INIT_PATH_MAX 4096
/* Written as hex: a MySQL replica takes a password of at most 32 characters (error 3056). */
#define INIT_SECRET_BYTES 16
#define INIT_SECRET_MAX (2 * INIT_SECRET_BYTES + 1)
#define INIT_COPY_MAX 65536

struct init {
    const struct init_plan *plan;
    struct errmsg *msg;
    char agent[INIT_SECRET_MAX];
    char replication[INIT_SECRET_MAX];
    char bootstrap[INIT_SECRET_MAX];
};

static int init_path(const struct init *in, char path[INIT_PATH_MAX], const char *fmt, ...)
    PRINTF_LIKE(3, 4);
static int init_path(const struct init *in, char path[INIT_PATH_MAX], const char *fmt, ...)
{
    va_list ap;
    int used = snprintf(path, INIT_PATH_MAX, "%s/", in->plan->dir);
    int more;
    if (used < 0 || used >= INIT_PATH_MAX)
        return errmsg_set(in->msg, ERR_FULL, "'%s' is too long a path", in->plan->dir);
    va_start(ap, fmt);
    more = vsnprintf(path + used, (size_t)(INIT_PATH_MAX - used), fmt, ap);
    va_end(ap);
    if (more < 0 || more >= INIT_PATH_MAX - used)
        return errmsg_set(in->msg, ERR_FULL, "'%s' is too long a path", in->plan->dir);
    return 0;
}

static int init_fail(const struct init *in, const char *what, const char *path)
{
    int err = errno == EEXIST ? ERR_EXISTS : errno == ENOSPC ? ERR_NOSPC : ERR_IO;
    return errmsg_set(in->msg, err, "%s '%s': %s", what, path, strerror(errno));
}

static int init_dir(const struct init *in, const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    return init_fail(in, "cannot make directory", path);
}

static int init_write_all(const struct init *in, int fd, const char *path, const char *text,
                          size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return init_fail(in, "cannot write", path);
        text += n;
        length -= (size_t)n;
    }
    return fsync(fd) == 0 ? 0 : init_fail(in, "cannot write", path);
}

/* Whole or not at all: a temporary file beside it, then a rename or, so that nothing is replaced, a
 * link. */
static int init_file(const struct init *in, const char *path, mode_t mode, const char *text,
                     size_t length)
{
    char temporary[INIT_PATH_MAX + 8];
    int err;
    int fd;
    (void)snprintf(temporary, sizeof temporary, "%s.new", path);
    (void)unlink(temporary);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return init_fail(in, "cannot write", temporary);
    err = init_write_all(in, fd, temporary, text, length);
    (void)close(fd);
    if (err == 0 && (in->plan->force ? rename(temporary, path) : link(temporary, path)) != 0)
        err = init_fail(in, "cannot write", path);
    (void)unlink(temporary);
    return err;
}

static int init_stream(const struct init *in, char **text, size_t *length, FILE **ret_out)
{
    *ret_out = open_memstream(text, length);
    return *ret_out != NULL ? 0 : errmsg_set(in->msg, ERR_NOMEM, "out of memory");
}

static int init_finish(const struct init *in, FILE *out, const char *path, mode_t mode, char **text,
                       const size_t *length)
{
    int err = fclose(out) == 0 ? 0 : errmsg_set(in->msg, ERR_NOMEM, "out of memory");
    if (err == 0)
        err = init_file(in, path, mode, *text, *length);
    free(*text);
    return err;
}

static int init_read(const struct init *in, const char *path, char *text, size_t size,
                     size_t *ret_length)
{
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return init_fail(in, "cannot read", path);
    n = read(fd, text, size - 1);
    (void)close(fd);
    if (n < 0)
        return init_fail(in, "cannot read", path);
    if ((size_t)n == size - 1)
        return errmsg_set(in->msg, ERR_FULL, "'%s' is longer than %zu bytes", path, size - 2);
    text[n] = '\0';
    *ret_length = (size_t)n;
    return 0;
}

static int init_random(const struct init *in, char ret_text[INIT_SECRET_MAX])
{
    unsigned char raw[INIT_SECRET_BYTES];
    if (getrandom(raw, sizeof raw, 0) != (ssize_t)sizeof raw)
        return errmsg_set(in->msg, ERR_IO, "no random numbers: %s", strerror(errno));
    for (size_t i = 0; i < sizeof raw; i++)
        (void)snprintf(ret_text + 2 * i, 3, "%02x", raw[i]);
    return 0;
}

/* A password that exists is used: the servers may know it already. It ends at the end of the line.
 */
static int init_secret(const struct init *in, const char *name, char ret_text[INIT_SECRET_MAX])
{
    char path[INIT_PATH_MAX];
    char line[INIT_SECRET_MAX + 1];
    char text[256];
    size_t length = 0;
    int err = init_path(in, path, "secrets/%s", name);
    if (err != 0)
        return err;
    if (access(path, F_OK) != 0) {
        err = init_random(in, ret_text);
        (void)snprintf(line, sizeof line, "%s\n", ret_text);
        return err != 0 ? err : init_file(in, path, 0600, line, strlen(line));
    }
    err = init_read(in, path, text, sizeof text, &length);
    if (err != 0)
        return err;
    text[strcspn(text, "\r\n")] = '\0';
    if (text[0] == '\0' || strlen(text) >= INIT_SECRET_MAX ||
        text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")] !=
            '\0')
        return errmsg_set(
            in->msg, ERR_FORMAT,
            "'%s' is no password for accounts.sql; allowed: 1 to %d letters and digits", path,
            INIT_SECRET_MAX - 1);
    memcpy(ret_text, text, strlen(text) + 1);
    return 0;
}

static int init_copy(const struct init *in, unsigned node, const char *from, const char *to,
                     mode_t mode)
{
    char source[INIT_PATH_MAX];
    char target[INIT_PATH_MAX];
    char text[INIT_COPY_MAX];
    size_t length = 0;
    int err = init_path(in, source, "%s", from);
    if (err == 0)
        err = init_path(in, target, "%s/%s", in->plan->config->nodes[node].name, to);
    if (err == 0)
        err = init_read(in, source, text, sizeof text, &length);
    return err != 0 ? err : init_file(in, target, mode, text, length);
}

static int init_accounts(const struct init *in, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = NULL;
    int err = init_stream(in, &text, &length, &out);
    if (err != 0)
        return err;
    server_text_accounts(in->plan->config, in->plan->flavour, in->agent, in->replication, out);
    return init_finish(in, out, path, 0600, &text, &length);
}

static int init_cnf(const struct init *in, unsigned node, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = NULL;
    int err = init_stream(in, &text, &length, &out);
    if (err != 0)
        return err;
    server_text_cnf(in->plan->config, node, in->plan->flavour, in->plan->first_id, out);
    return init_finish(in, out, path, 0644, &text, &length);
}

static int init_install(const struct init *in, unsigned node, const char *path)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = NULL;
    int err = init_stream(in, &text, &length, &out);
    if (err != 0)
        return err;
    install_text_write(in->plan->config, node, in->plan->flavour, out);
    return init_finish(in, out, path, 0755, &text, &length);
}

static int init_bootstrap(const struct init *in, const char *path)
{
    char text[CLUSTER_NAME_MAX + INIT_SECRET_MAX + 2];
    int length = snprintf(text, sizeof text, "%s %s\n", in->plan->config->cluster, in->bootstrap);
    return init_file(in, path, 0600, text, (size_t)length);
}

static int init_node_server(const struct init *in, unsigned node)
{
    const char *name = in->plan->config->nodes[node].name;
    char path[INIT_PATH_MAX];
    int err = init_copy(in, node, "accounts.sql", "accounts.sql", 0600);
    if (err == 0)
        err = init_copy(in, node, "secrets/agent", "agent", 0600);
    if (err == 0)
        err = init_copy(in, node, "secrets/replication", "replication", 0600);
    if (err == 0)
        err = init_path(in, path, "%s/tandem.cnf", name);
    if (err == 0)
        err = init_cnf(in, node, path);
    if (err == 0)
        err = init_path(in, path, "%s/mysqld-tandem.conf", name);
    if (err == 0)
        err = init_file(in, path, 0644, install_text_unit, strlen(install_text_unit));
    return err;
}

static int init_node(const struct init *in, unsigned node)
{
    const char *name = in->plan->config->nodes[node].name;
    char path[INIT_PATH_MAX];
    char from[NODE_NAME_MAX + 16];
    char to[NODE_NAME_MAX + 16];
    int err = init_path(in, path, "%s", name);
    if (err == 0)
        err = init_dir(in, path, 0700);
    if (err == 0)
        err = init_copy(in, node, "tandem.conf", "tandem.conf", 0644);
    if (err == 0)
        err = init_copy(in, node, "tls/ca.pem", "ca.pem", 0644);
    for (unsigned i = 0; i < 2 && err == 0; i++) {
        (void)snprintf(from, sizeof from, "tls/%s.%s", name, i == 0 ? "pem" : "key");
        (void)snprintf(to, sizeof to, "%s.%s", name, i == 0 ? "pem" : "key");
        err = init_copy(in, node, from, to, i == 0 ? 0644 : 0600);
    }
    if (err == 0)
        err = init_path(in, path, "%s/" INIT_BOOTSTRAP_FILE, name);
    if (err == 0)
        err = init_bootstrap(in, path);
    if (err == 0)
        err = init_path(in, path, "%s/install.sh", name);
    if (err == 0)
        err = init_install(in, node, path);
    if (err == 0 && config_node_has_mysql(in->plan->config, node))
        err = init_node_server(in, node);
    return err;
}

static int init_certificates(const struct init *in)
{
    const struct cluster_config *c = in->plan->config;
    char path[INIT_PATH_MAX];
    int err = init_path(in, path, "tls");
    if (err == 0)
        err = in->plan->pki.create_ca(path, c->cluster, in->msg);
    if (err == ERR_EXISTS)
        err = 0;
    for (unsigned i = 0; i < c->n_nodes && err == 0; i++) {
        err = in->plan->pki.create_node(path, c->cluster, c->nodes[i].name, c->nodes[i].address,
                                        in->msg);
        if (err == ERR_EXISTS)
            err = 0;
    }
    return err;
}

/* Told before anything is written, so that a mistaken call leaves no half of a second cluster. */
static int init_check_free(const struct init *in)
{
    static const char *const files[] = {"tandem.conf", "accounts.sql", "tls/ca.key",
                                        "secrets/agent", "secrets/replication"};
    char path[INIT_PATH_MAX];
    for (unsigned i = 0; i < sizeof files / sizeof *files + in->plan->config->n_nodes; i++) {
        unsigned node = i - (unsigned)(sizeof files / sizeof *files);
        const char *name =
            i < sizeof files / sizeof *files ? files[i] : in->plan->config->nodes[node].name;
        int err = init_path(in, path, "%s", name);
        if (err != 0)
            return err;
        if (access(path, F_OK) == 0)
            return errmsg_set(in->msg, ERR_EXISTS,
                              "'%s' exists; nothing was written. With --force everything but keys, "
                              "certificates and passwords is written anew",
                              path);
    }
    return 0;
}

static int init_dirs(const struct init *in)
{
    char path[INIT_PATH_MAX];
    int err = init_dir(in, in->plan->dir, 0700);
    if (err == 0)
        err = init_path(in, path, "secrets");
    return err != 0 ? err : init_dir(in, path, 0700);
}

int init_write(const struct init_plan *plan, struct errmsg *msg)
{
    struct init in = {.plan = plan, .msg = msg};
    char path[INIT_PATH_MAX];
    int err = 0;
    assert(plan->first_id > 0);
    if (!plan->force)
        err = init_check_free(&in);
    if (err == 0)
        err = init_dirs(&in);
    if (err == 0)
        err = init_secret(&in, "agent", in.agent);
    if (err == 0)
        err = init_secret(&in, "replication", in.replication);
    if (err == 0)
        err = init_random(&in, in.bootstrap);
    if (err == 0)
        err = init_certificates(&in);
    if (err == 0)
        err = init_path(&in, path, "tandem.conf");
    if (err == 0)
        err = init_file(&in, path, 0644, plan->text, plan->length);
    if (err == 0)
        err = init_path(&in, path, "accounts.sql");
    if (err == 0)
        err = init_accounts(&in, path);
    for (unsigned i = 0; i < plan->config->n_nodes && err == 0; i++)
        err = init_node(&in, i);
    return err;
}
