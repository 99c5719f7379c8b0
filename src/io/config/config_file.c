/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/config/config_fill.h"
#include "io/config/config_tree.h"

static int config_read_file(const char *path, char *text, size_t size, size_t *ret_length)
{
    size_t used = 0;
    ssize_t n = 0;
    int err = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? ERR_NOTFOUND : errno == EACCES ? ERR_PERM : ERR_IO;
    while (used < size && (n = read(fd, text + used, size - used)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err = ERR_IO;
            break;
        }
        used += (size_t)n;
    }
    (void)close(fd);
    if (err == 0 && used == size)
        err = ERR_FULL;
    if (err == 0)
        *ret_length = used;
    return err;
}

int config_load(const char *path, struct cluster_config *ret, struct config_errors *errors)
{
    char *text = malloc(CONFIG_FILE_MAX + 1);
    size_t length = 0;
    int err = text != NULL ? config_read_file(path, text, CONFIG_FILE_MAX + 1, &length) : ERR_NOMEM;
    config_errors_init(errors);
    if (err == ERR_FULL)
        config_errors_add(errors, CONFIG_ERROR, 0, "longer than %d bytes", CONFIG_FILE_MAX);
    else if (err != 0)
        config_errors_add(errors, CONFIG_ERROR, 0, "cannot be read: %s",
                          err == ERR_IO ? strerror(errno) : err_text(err));
    else
        err = config_parse(text, length, ret, errors);
    free(text);
    return err;
}

/* libconfuse skips what it does not know between tokens; a stray byte would go unnoticed. */
static int config_check_bytes(const char *text, size_t length, struct config_errors *errors)
{
    unsigned line = 1;
    for (size_t i = 0; i < length; i++) {
        unsigned char b = (unsigned char)text[i];
        line += b == '\n';
        if (b >= ' ' || b == '\n' || b == '\t' || b == '\r')
            continue;
        config_errors_add(errors, CONFIG_ERROR, line, "byte 0x%02x is not text", b);
        return ERR_FORMAT;
    }
    return 0;
}

static int config_build(const struct config_tree *tree, struct cluster_config *ret,
                        struct config_errors *errors)
{
    struct cluster_config *c = calloc(1, sizeof *c);
    struct config_origin *from = calloc(1, sizeof *from);
    int err = c != NULL && from != NULL ? 0 : ERR_NOMEM;
    if (err == 0) {
        config_fill(tree, c, from, errors);
        config_check(c, from, errors);
        err = errors->n_errors > 0 ? ERR_FORMAT : config_digest(c, &c->digest);
    }
    if (err == 0)
        *ret = *c;
    free(c);
    free(from);
    return err;
}

int config_parse(const char *text, size_t length, struct cluster_config *ret,
                 struct config_errors *errors)
{
    struct config_tree *tree = NULL;
    char *copy;
    int err;
    config_errors_init(errors);
    if (length > CONFIG_FILE_MAX) {
        config_errors_add(errors, CONFIG_ERROR, 0, "longer than %d bytes", CONFIG_FILE_MAX);
        return ERR_FORMAT;
    }
    err = config_check_bytes(text, length, errors);
    if (err != 0)
        return err;
    copy = malloc(length + 2);
    if (copy == NULL)
        return ERR_NOMEM;
    memcpy(copy, text, length);
    /* libconfuse treats an empty buffer as an error of its own. */
    memcpy(copy + length, "\n", 2);
    err = config_tree_parse(copy, errors, &tree);
    if (err == 0)
        err = config_build(tree, ret, errors);
    config_errors_sort(errors);
    config_tree_free(tree);
    free(copy);
    return err;
}

static void config_check_secret(const char *what, const char *path, struct config_errors *errors)
{
    struct stat st;
    if (path[0] == '\0')
        return;
    if (stat(path, &st) != 0)
        config_errors_add(errors, CONFIG_WARNING, 0, "%s '%s' cannot be read on this host: %s",
                          what, path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        config_errors_add(errors, CONFIG_WARNING, 0, "%s '%s' is not a file", what, path);
    else if ((st.st_mode & 0137) != 0)
        config_errors_add(errors, CONFIG_WARNING, 0,
                          "%s '%s' has mode %04o; allowed: 0600 or 0640; chmod 0600 it", what, path,
                          (unsigned)(st.st_mode & 07777));
    else if (access(path, R_OK) != 0)
        config_errors_add(errors, CONFIG_WARNING, 0, "%s '%s' cannot be read: %s", what, path,
                          strerror(errno));
}

static void config_check_public(const char *what, const char *path, struct config_errors *errors)
{
    if (access(path, R_OK) != 0)
        config_errors_add(errors, CONFIG_WARNING, 0, "%s '%s' cannot be read on this host: %s",
                          what, path, strerror(errno));
}

static bool config_lacks_error_log(const struct cluster_config *c, unsigned node)
{
    return config_node_has_mysql(c, node) && c->nodes[node].mysql.error_log[0] == '\0';
}

/* Nothing goes wrong without it until a writer crashes: so it is told, loudly, not refused. */
static void config_check_error_logs(const struct cluster_config *c, struct config_errors *errors)
{
    static const char cost[] =
        "a crash of its server cannot be told from a shutdown, so as the writer it is started "
        "again in place when mysqld is killed, instead of failing over, and it is never rewound; "
        "set mysql.error_log, and log_error of the server to the same path";
    unsigned servers = 0;
    unsigned without = 0;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        servers += config_node_has_mysql(c, i);
        without += config_lacks_error_log(c, i);
    }
    if (without > 0 && without == servers) {
        config_errors_add(errors, CONFIG_WARNING, 0, "no node has an error_log: %s", cost);
        return;
    }
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (config_lacks_error_log(c, i))
            config_errors_add(errors, CONFIG_WARNING, 0, "node '%s' has no error_log: %s",
                              c->nodes[i].name, cost);
    }
}

/* One that is named and never written costs as much. Before the server's first start it cannot be
 * there. */
static void config_check_error_log(const struct config_node *n, struct config_errors *errors)
{
    bool runs = access(n->mysql.pid_file, F_OK) == 0;
    if (n->mysql.error_log[0] == '\0' || access(n->mysql.error_log, R_OK) == 0 ||
        (errno == ENOENT && !runs))
        return;
    config_errors_add(errors, CONFIG_WARNING, 0,
                      "error_log '%s' cannot be read on this host: %s; until the server writes it "
                      "(log_error), a killed writer is started again in place instead of failing "
                      "over",
                      n->mysql.error_log, strerror(errno));
}

/* The program, where the command line names one plainly: the shell knows more ways than that. */
static void config_check_hook(const char *name, const char *command, struct config_errors *errors)
{
    char program[COMMAND_TEXT_MAX];
    size_t n = strcspn(command, " \t");
    if (command[0] != '/' || strcspn(command, "'\"\\$`;&|<>(){}*?") < n)
        return;
    memcpy(program, command, n);
    program[n] = '\0';
    if (access(program, X_OK) != 0)
        config_errors_add(errors, CONFIG_WARNING, 0, "%s '%s' cannot be run: %s", name, program,
                          strerror(errno));
}

static void config_check_hooks(const struct config_hooks *h, struct config_errors *errors)
{
    config_check_hook("notify", h->notify, errors);
    config_check_hook("notify_master", h->notify_master, errors);
    config_check_hook("notify_backup", h->notify_backup, errors);
    config_check_hook("notify_fault", h->notify_fault, errors);
    config_check_hook("notify_stop", h->notify_stop, errors);
}

void config_check_local(const struct cluster_config *c, unsigned node, struct config_errors *errors)
{
    const struct config_node *n;
    config_check_error_logs(c, errors);
    if (node == NODE_NONE)
        return;
    n = &c->nodes[node];
    config_check_public("tls ca", n->tls.ca, errors);
    config_check_public("tls cert", n->tls.cert, errors);
    config_check_secret("tls key", n->tls.key, errors);
    config_check_secret("agent_password_file", n->mysql.agent_password_file, errors);
    config_check_secret("replication_password_file", n->mysql.replication_password_file, errors);
    config_check_error_log(n, errors);
    config_check_hooks(&n->hooks, errors);
}
