/* SPDX-License-Identifier: Apache-2.0 */
/* MariaDB: what mariadb-backup writes on the donor goes through TLS into mbstream on the recipient,
 * and is prepared there. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/copy_child.h"
#include "io/clone/clone_pipe.h"
#include "io/peer/peer_stream.h"
#include "io/sys/loop_watch.h"

#define GIVE_OPEN_MS 15000
#define STREAM_IDLE_MS 60000
#define ALIVE_MS 5000
#define PROGRESS_US 500000
#define PREPARE_MEMORY "--use-memory=128M"

static struct clone_pipe_config copy_pipe(char *const *argv, enum clone_pipe_kind kind,
                                          const char *log)
{
    return (struct clone_pipe_config){.argv = argv,
                                      .kind = kind,
                                      .pass_fd = -1,
                                      .log_file = log,
                                      .name = argv[0],
                                      .missing = "install Debian's mariadb-backup"};
}

static struct peer_stream_config copy_stream_config(const struct copy_order *o)
{
    return (struct peer_stream_config){.cluster = o->cluster,
                                       .ca_file = o->tls.ca,
                                       .cert_file = o->tls.cert,
                                       .key_file = o->tls.key,
                                       .other = o->other,
                                       .address = o->address,
                                       .port = o->port,
                                       .open_ms = GIVE_OPEN_MS,
                                       .idle_ms = STREAM_IDLE_MS};
}

struct pace {
    const struct copy_order *order;
    int64_t start_us;
    int64_t told_us;
    uint64_t bytes;
};

static void pace_tell(struct pace *p)
{
    int64_t now = clock_boot_us();
    if (now - p->told_us < PROGRESS_US)
        return;
    p->told_us = now;
    copy_tell("progress %" PRIu64 " %" PRIu64, p->bytes,
              p->order->expected > p->bytes ? p->order->expected : p->bytes);
}

/* Sleeps off what the rate does not allow yet. */
static void pace_hold(const struct pace *p)
{
    int64_t due_us;
    int64_t ahead_us;
    if (p->order->rate_mb == 0)
        return;
    due_us = (int64_t)(p->bytes / p->order->rate_mb * 1000000 >> 20);
    ahead_us = due_us - (clock_boot_us() - p->start_us);
    if (ahead_us > 0)
        (void)poll(NULL, 0, (int)(ahead_us / 1000));
}

/* ---- the donor ---- */

static int give_pump(struct peer_stream *s, int fd, struct pace *p, struct errmsg *m)
{
    static const unsigned size = PEER_STREAM_PIECE_MAX;
    char *buf = malloc(size);
    int err = buf == NULL ? errmsg_set(m, ERR_NOMEM, "out of memory") : 0;
    while (err == 0) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        ssize_t n;
        if (poll(&poller, 1, ALIVE_MS) == 0) {
            err = peer_stream_send_alive(s, m);
            continue;
        }
        n = read(fd, buf, size);
        if (n == 0)
            break;
        if (n < 0) {
            err = errno == EINTR ? 0 : errmsg_set(m, ERR_IO, "read: %s", strerror(errno));
            continue;
        }
        err = peer_stream_send(s, buf, (size_t)n, m);
        p->bytes += (uint64_t)n;
        pace_tell(p);
        pace_hold(p);
    }
    free(buf);
    return err;
}

/* In the option file, a value in quotes: backslash and quote are special. */
static void give_quote(const char *text, char *buf, size_t size)
{
    size_t n = strlen(buf);
    for (; *text != '\0' && n + 3 < size; text++) {
        if (*text == '\\' || *text == '"')
            buf[n++] = '\\';
        buf[n++] = *text;
    }
    buf[n] = '\0';
}

static int give_secret(const struct copy_order *o, int *ret_fd)
{
    char text[1536];
    int err;
    (void)snprintf(text, sizeof text, "[client]\nsocket=%s\nuser=%s\npassword=\"", o->socket,
                   o->user);
    give_quote(o->password, text, sizeof text - 4);
    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "\"\n");
    err = clone_pipe_secret(text, ret_fd);
    explicit_bzero(text, sizeof text);
    return err;
}

static int give_backup(const struct copy_order *o, struct peer_stream *s, struct errmsg *m)
{
    char program[] = "mariadb-backup", backup[] = "--backup", stream[] = "--stream=mbstream";
    char options[64], target[CLONE_PATH_MAX], data[CLONE_PATH_MAX], log[CLONE_PATH_MAX];
    char *argv[] = {program, options, backup, stream, data, target, NULL};
    struct pace p = {.order = o, .start_us = clock_boot_us()};
    struct clone_pipe pipe = {.fd = -1};
    struct clone_pipe_config c = copy_pipe(argv, CLONE_PIPE_READ, log);
    int err = give_secret(o, &c.pass_fd);
    if (err != 0)
        return errmsg_set(m, err, "the account cannot be passed to %s", program);
    copy_log_path(o, log);
    (void)snprintf(options, sizeof options, "--defaults-extra-file=/dev/fd/%d", c.pass_fd);
    (void)snprintf(data, sizeof data, "--datadir=%s", o->data_dir);
    (void)snprintf(target, sizeof target, "--target-dir=%s/reclone.tmp", o->work_dir);
    err = clone_pipe_start(&c, &pipe, m);
    (void)close(c.pass_fd);
    if (err != 0)
        return err;
    err = give_pump(s, pipe.fd, &p, m);
    if (err == 0)
        err = clone_pipe_wait(&pipe, &c, m);
    else
        clone_pipe_kill(&pipe);
    return err;
}

static void give_listening(void *data)
{
    const struct copy_order *o = data;
    copy_tell("giving %" PRIu64, o->expected);
}

int copy_give(const struct copy_order *o, struct errmsg *m)
{
    struct copy_order known = *o;
    struct peer_stream_config c = copy_stream_config(o);
    struct peer_stream *s = NULL;
    struct clone_dir d;
    struct errmsg unheard = ERRMSG_INIT;
    const char *base = strrchr(o->log_bin, '/');
    char log[CLONE_PATH_MAX];
    int err = clone_dir_find(o->data_dir, &d, m);
    if (err == 0)
        err = clone_dir_size(&d, base != NULL ? base + 1 : o->log_bin, &known.expected);
    copy_log_path(o, log);
    (void)unlink(log);
    if (err == 0)
        err = peer_stream_accept(&c, give_listening, &known, &s, m);
    if (err == 0) {
        err = give_backup(&known, s, m);
        if (peer_stream_send_end(s, err == 0 ? "" : m->text, &unheard) != 0 && err == 0)
            err = errmsg_set(m, ERR_NET, "%s", unheard.text);
    }
    peer_stream_close(s);
    explicit_bzero(&known, sizeof known);
    if (err == 0)
        copy_tell("none");
    return err;
}

/* ---- the recipient ---- */

static int take_write(int fd, const char *buf, size_t len, struct errmsg *m)
{
    while (len > 0) {
        ssize_t n = write(fd, buf, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return errmsg_set(m, ERR_IO, "the copy cannot be unpacked: %s", strerror(errno));
        buf += n;
        len -= (size_t)n;
    }
    return 0;
}

static int take_pump(struct peer_stream *s, int fd, struct pace *p, struct errmsg *m)
{
    char *buf = malloc(PEER_STREAM_PIECE_MAX);
    size_t len = 1;
    int err = buf == NULL ? errmsg_set(m, ERR_NOMEM, "out of memory") : 0;
    while (err == 0) {
        err = peer_stream_receive(s, buf, &len, m);
        if (err != 0 || len == 0)
            break;
        err = take_write(fd, buf, len, m);
        p->bytes += len;
        pace_tell(p);
    }
    free(buf);
    return err;
}

static int take_unpack(const struct copy_order *o, const struct clone_dir *d, struct peer_stream *s,
                       struct errmsg *m)
{
    char program[] = "mbstream", extract[] = "-x", change[] = "-C";
    char to[CLONE_PATH_MAX], log[CLONE_PATH_MAX];
    char *argv[] = {program, extract, change, to, NULL};
    struct pace p = {.order = o, .start_us = clock_boot_us()};
    struct clone_pipe pipe = {.fd = -1};
    struct clone_pipe_config c = copy_pipe(argv, CLONE_PIPE_WRITE, log);
    struct errmsg words = ERRMSG_INIT;
    int err;
    copy_log_path(o, log);
    (void)snprintf(to, sizeof to, "%s", d->fresh);
    err = clone_pipe_start(&c, &pipe, m);
    if (err != 0)
        return err;
    err = take_pump(s, pipe.fd, &p, m);
    /* A program that ended early knows why the writing failed. */
    if (err == 0 || err == ERR_IO) {
        int ended = clone_pipe_wait(&pipe, &c, &words);
        if (ended != 0)
            err = errmsg_set(m, ended, "%s", words.text);
    } else {
        clone_pipe_kill(&pipe);
    }
    return err;
}

static int take_prepare(const struct copy_order *o, const struct clone_dir *d, struct errmsg *m)
{
    char program[] = "mariadb-backup", prepare[] = "--prepare", memory[] = PREPARE_MEMORY;
    char target[CLONE_PATH_MAX + 16], log[CLONE_PATH_MAX];
    char *argv[] = {program, prepare, memory, target, NULL};
    struct clone_pipe pipe = {.fd = -1};
    struct clone_pipe_config c = copy_pipe(argv, CLONE_PIPE_NONE, log);
    int err;
    copy_log_path(o, log);
    (void)snprintf(target, sizeof target, "--target-dir=%s", d->fresh);
    copy_tell("preparing");
    err = clone_pipe_start(&c, &pipe, m);
    return err == 0 ? clone_pipe_wait(&pipe, &c, m) : err;
}

/* Its name depends on the version of the program. */
static int take_position(const struct clone_dir *d, char *ret_position, struct errmsg *m)
{
    static const char *const names[] = {"mariadb_backup_binlog_info", "xtrabackup_binlog_info"};
    char path[CLONE_PATH_MAX + 32];
    char text[GTID_TEXT_MAX + 512];
    size_t n = 0;
    for (unsigned i = 0; n == 0 && i < sizeof names / sizeof names[0]; i++) {
        FILE *f;
        (void)snprintf(path, sizeof path, "%s/%s", d->fresh, names[i]);
        f = fopen(path, "re");
        if (f == NULL)
            continue;
        n = fread(text, 1, sizeof text - 1, f);
        (void)fclose(f);
    }
    text[n] = '\0';
    if (clone_info_position(text, ret_position, GTID_TEXT_MAX) != 0 || ret_position[0] == '\0')
        return errmsg_set(m, ERR_FORMAT, "the copy does not tell its GTID position ('%s')", path);
    return 0;
}

int copy_take(const struct copy_order *o, const struct clone_dir *d, struct errmsg *m)
{
    struct peer_stream_config c = copy_stream_config(o);
    struct peer_stream *s = NULL;
    char position[GTID_TEXT_MAX] = "";
    char log[CLONE_PATH_MAX];
    int err;
    copy_log_path(o, log);
    (void)unlink(log);
    err = clone_dir_begin(d, /* make= */ true, m);
    if (err == 0)
        err = copy_check_room(o, d, o->expected, m);
    if (err == 0)
        err = peer_stream_connect(&c, &s, m);
    if (err == 0)
        err = take_unpack(o, d, s, m);
    peer_stream_close(s);
    if (err == 0)
        err = take_prepare(o, d, m);
    if (err == 0)
        err = take_position(d, position, m);
    if (err == 0)
        err = clone_dir_ready(d, position, m);
    if (err == 0)
        copy_tell("ready %s", position);
    return err;
}
