/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MySQL: CLONE is a statement, so whoever wants a copy must have a server. Where the node's own
 * does not run, because its data is damaged or because it has none yet, or where the copy has to
 * lie in its data directory, an empty one is made beside the data and started for the copy alone.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/copy_child.h"
#include "io/sys/loop_watch.h"
#include "wire/starts.h"

#define START_US 120000000
#define LOOK_AGAIN_MS 100
#define ARGUMENTS_MAX 24
#define LOG_BYTES_MAX (64 << 10)
#define SPARE_BYTES (160u << 20) /* of an empty server: system tablespaces, undo, redo */

/* A command line: the configured one, in a shell, with options appended. */
struct spare_command {
    char script[COMMAND_TEXT_MAX + 32];
    char text[ARGUMENTS_MAX][CLONE_PATH_MAX + 32];
    char *argv[ARGUMENTS_MAX + 1];
    unsigned n;
};

static void spare_add(struct spare_command *s, const char *option, const char *path,
                      const char *name)
{
    if (s->n >= ARGUMENTS_MAX)
        return;
    (void)snprintf(s->text[s->n], sizeof s->text[0], "%s%s%s", option, path, name);
    s->argv[s->n] = s->text[s->n];
    s->argv[++s->n] = NULL;
}

/* exec: the shell must not stand between this process and a server that has to die with it. */
static void spare_begin(struct spare_command *s, const struct copy_order *o,
                        const struct clone_dir *d, const struct stat *owner)
{
    s->n = 0;
    spare_add(s, "/bin/sh", "", "");
    spare_add(s, "-c", "", "");
    (void)snprintf(s->script, sizeof s->script, "exec %s \"$@\"", o->copy_command);
    s->argv[s->n++] = s->script;
    spare_add(s, "sh", "", "");
    spare_add(s, "--datadir=", d->spare, "/data");
    spare_add(s, "--tmpdir=", d->spare, "");
    /* Where this directory is missing, a server of the packages does not start. */
    spare_add(s, "--secure-file-priv=NULL", "", "");
    spare_add(s, "--skip-log-bin", "", "");
    spare_add(s, "--innodb-buffer-pool-size=64M", "", "");
    spare_add(s, "--loose-innodb-redo-log-capacity=8M", "", "");
    if (owner->st_uid == 0)
        spare_add(s, "--user=root", "", "");
}

static void spare_add_run(struct spare_command *s, const struct clone_dir *d, const char *socket)
{
    spare_add(s, "--socket=", socket, "");
    spare_add(s, "--pid-file=", d->spare, "/pid");
    spare_add(s, "--skip-networking", "", "");
    spare_add(s, "--loose-mysqlx=OFF", "", "");
    spare_add(s, "--plugin-load-add=mysql_clone.so", "", "");
    /* CLONE wants every plugin that the donor has: these are those of the drop-in. */
    spare_add(s, "--plugin-load-add=semisync_source.so", "", "");
    spare_add(s, "--plugin-load-add=semisync_replica.so", "", "");
}

/* What the server itself complains of explains more than the last line of its log. */
static int spare_failed(const struct copy_order *o, const char *log, int err, const char *why,
                        struct errmsg *m)
{
    struct starts words;
    char *text = calloc(1, LOG_BYTES_MAX);
    FILE *f = fopen(log, "re");
    memset(&words, 0, sizeof words);
    if (text != NULL && f != NULL && fread(text, 1, LOG_BYTES_MAX - 1, f) > 0)
        starts_judge(text, &words);
    if (f != NULL)
        (void)fclose(f);
    free(text);
    return errmsg_set(m, err,
                      "the server that is to fetch the copy (mysql.copy_command '%.80s'): %s",
                      o->copy_command, words.line[0] != '\0' ? words.line : why);
}

static bool spare_listens(const char *socket_path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok;
    if (fd < 0)
        return false;
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", socket_path);
    ok = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0;
    (void)close(fd);
    return ok;
}

static int spare_wait(const char *socket_path, struct clone_pipe *server,
                      const struct clone_pipe_config *c, struct errmsg *m)
{
    int64_t until_us = clock_boot_us() + START_US;
    while (!spare_listens(socket_path)) {
        if (clone_pipe_is_over(server)) {
            int err = clone_pipe_wait(server, c, m);
            return err != 0 ? err : errmsg_set(m, ERR_IO, "it ended at once");
        }
        if (clock_boot_us() > until_us)
            return errmsg_set(m, ERR_TIMEOUT, "it does not answer within two minutes");
        (void)poll(NULL, 0, LOOK_AGAIN_MS);
    }
    return 0;
}

static int spare_install(const struct clone_pipe_config *c, struct clone_pipe *server,
                         struct errmsg *m)
{
    int err = clone_pipe_start(c, server, m);
    return err == 0 ? clone_pipe_wait(server, c, m) : err;
}

static int spare_serve(const struct clone_pipe_config *c, struct clone_pipe *server,
                       const char *socket_path, struct errmsg *m)
{
    int err = clone_pipe_start(c, server, m);
    return err == 0 ? spare_wait(socket_path, server, c, m) : err;
}

static int spare_run(const struct copy_order *o, const struct clone_dir *d,
                     const struct stat *owner, struct clone_pipe *server, const char *socket_path,
                     struct errmsg *m)
{
    struct spare_command *s = calloc(1, sizeof *s);
    char log[CLONE_PATH_MAX];
    struct clone_pipe_config c = {.kind = CLONE_PIPE_NONE,
                                  .pass_fd = -1,
                                  .log_file = log,
                                  .name = o->copy_command,
                                  .missing = "name the server's in mysql.copy_command",
                                  .drops = true,
                                  .uid = owner->st_uid,
                                  .gid = owner->st_gid};
    struct errmsg why = ERRMSG_INIT;
    int err;
    if (s == NULL)
        return errmsg_set(m, ERR_NOMEM, "out of memory");
    c.argv = s->argv;
    copy_log_path(o, log);
    (void)unlink(log);
    spare_begin(s, o, d, owner);
    spare_add(s, "--initialize-insecure", "", "");
    err = spare_install(&c, server, &why);
    if (err == 0) {
        spare_begin(s, o, d, owner);
        spare_add_run(s, d, socket_path);
        err = spare_serve(&c, server, socket_path, &why);
    }
    if (err != 0)
        err = spare_failed(o, log, err, why.text, m);
    free(s);
    return err;
}

int copy_spare_start(const struct copy_order *o, const struct clone_dir *d,
                     struct clone_pipe *ret_server, char ret_socket[CLONE_PATH_MAX],
                     struct errmsg *m)
{
    struct sockaddr_un address;
    struct stat owner;
    int err;
    (void)snprintf(ret_socket, CLONE_PATH_MAX, "%s/sock", d->spare);
    if (strlen(ret_socket) >= sizeof address.sun_path)
        return errmsg_set(m, ERR_RANGE, "the path '%s' is too long for a socket", ret_socket);
    err = copy_check_room(o, d, SPARE_BYTES, m);
    if (err == 0)
        err = clone_dir_make_spare(d, &owner, m);
    if (err == 0)
        err = spare_run(o, d, &owner, ret_server, ret_socket, m);
    if (err != 0)
        copy_spare_end(d, ret_server);
    return err;
}

/* It has nothing that would have to be written: the copy is on disk when CLONE says that it is. */
void copy_spare_end(const struct clone_dir *d, struct clone_pipe *server)
{
    struct errmsg m = ERRMSG_INIT;
    int err;
    clone_pipe_kill(server);
    err = clone_dir_drop_spare(d, &m);
    (void)err; /* what is left goes with the copy's directory, or before the next one */
}
