/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/salvage_restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/crypto.h>
#include <jansson.h>

#include "io/store/binlog_files.h"
#include "io/store/salvage.h"

#define CHUNK (256U << 10)
#define SHA256_SIZE 32
#define SUFFIX ".tandem-restore"
/* Low byte of the flags of the first event, behind the magic. */
#define FLAGS_OFFSET (BINLOG_MAGIC_SIZE + 17)

/* One file of the salvage that goes back; name NULL: there is none. */
struct part {
    const char *name;
    const char *sha256;
    uint64_t from; /* bytes before that are a header of its own */
    uint64_t bytes;
};

struct undo {
    const struct salvage_place *place;
    struct errmsg *why;
    json_t *manifest;
    const char *binlog; /* path */
    uint64_t cut;
    uint64_t size; /* before the cut */
    uint64_t inode;
    struct part events;
    struct part torn;
    struct timespec salvaged; /* when its first file was complete */
    struct stat now;          /* of the binlog */
};

static int io_error(const struct undo *u, const char *what, const char *path)
{
    int err = errno == ENOSPC || errno == EDQUOT  ? ERR_NOSPC
              : errno == EACCES || errno == EROFS ? ERR_PERM
              : errno == ENOENT                   ? ERR_NOTFOUND
                                                  : ERR_IO;
    return errmsg_set(u->why, err, "cannot %s %s: %s", what, path, strerror(errno));
}

static int path_join(const struct undo *u, char *buf, const char *dir, const char *name)
{
    int n = snprintf(buf, BINLOG_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= BINLOG_PATH_MAX)
        return errmsg_set(u->why, ERR_RANGE, "path too long: %s", dir);
    return 0;
}

/* --- the manifest ----------------------------------------------------------------------------- */

static uint64_t number(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 ? (uint64_t)n : 0;
}

static bool text_is(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value != NULL && strcmp(value, text) == 0;
}

static struct part part_of(const json_t *manifest, const char *name)
{
    const json_t *files = json_object_get(manifest, "files");
    struct part part = {0};
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *f = json_array_get(files, i);
        if (text_is(f, "name", name))
            part = (struct part){.name = name,
                                 .sha256 = json_string_value(json_object_get(f, "sha256")),
                                 .from = number(f, "events_offset"),
                                 .bytes = number(f, "bytes")};
    }
    return part;
}

static int nothing_cut(const struct undo *u)
{
    const char *reason =
        json_string_value(json_object_get(json_object_get(u->manifest, "reason"), "text"));
    if (text_is(u->manifest, "kind", "extract"))
        return errmsg_set(u->why, ERR_STATE,
                          "nothing was cut: it is a copy of what the server holds");
    return errmsg_set(u->why, ERR_STATE, "nothing was cut: %s",
                      reason != NULL ? reason : "the rewind was refused");
}

static int manifest_read(struct undo *u)
{
    const char *dir = u->place->dir;
    size_t n = strlen(dir);
    char path[BINLOG_PATH_MAX];
    json_error_t error;
    int err = path_join(u, path, dir, "manifest.json");
    if (err != 0)
        return err;
    if (n > 8 && strcmp(dir + n - 8, ".partial") == 0)
        return errmsg_set(u->why, ERR_STATE, "it is unfinished, and nothing was cut for it");
    u->manifest = json_load_file(path, 0, &error);
    if (u->manifest == NULL)
        return errmsg_set(u->why, ERR_FORMAT, "manifest.json: %.200s", error.text);
    if (!text_is(u->manifest, "format", "tandem-salvage-1"))
        return errmsg_set(u->why, ERR_FORMAT, "manifest.json has another format");
    if (!text_is(u->manifest, "kind", "rewind") || !text_is(u->manifest, "verdict", "cut"))
        return nothing_cut(u);
    u->binlog = json_string_value(json_object_get(u->manifest, "binlog_file"));
    u->cut = number(u->manifest, "cut");
    u->size = number(u->manifest, "binlog_size");
    u->inode = number(u->manifest, "binlog_inode");
    u->events = part_of(u->manifest, "events.binlog");
    u->torn = part_of(u->manifest, "torn.bin");
    if (u->binlog == NULL || u->events.sha256 == NULL || u->events.from > u->events.bytes ||
        (u->torn.name != NULL && u->torn.sha256 == NULL) ||
        u->cut + u->events.bytes - u->events.from + u->torn.bytes != u->size)
        return errmsg_set(u->why, ERR_FORMAT, "manifest.json does not account for what was cut");
    return 0;
}

/* --- evidence --------------------------------------------------------------------------------- */

static bool is_after(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static int salvage_time(struct undo *u)
{
    char path[BINLOG_PATH_MAX];
    struct stat st;
    int err = path_join(u, path, u->place->dir, u->events.name);
    if (err != 0)
        return err;
    if (stat(path, &st) != 0)
        return io_error(u, "look at", path);
    u->salvaged = st.st_mtim;
    return 0;
}

static int untouched(const struct undo *u, const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return io_error(u, "look at", path);
    if (is_after(&st.st_mtim, &u->salvaged))
        return errmsg_set(u->why, ERR_STATE,
                          "the server was started since the cut: %s was written later", path);
    return 0;
}

/* System tablespace, redo log, undo tablespaces: written by every start, by nothing else. */
static bool is_innodb(const char *name)
{
    return strncmp(name, "ibdata", 6) == 0 || strncmp(name, "ib_logfile", 10) == 0 ||
           strncmp(name, "undo", 4) == 0 || strncmp(name, "#ib_redo", 8) == 0;
}

static int innodb_untouched(const struct undo *u, const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    int err = 0;
    if (d == NULL)
        return io_error(u, "open", dir);
    while (err == 0 && (e = readdir(d)) != NULL) {
        char path[BINLOG_PATH_MAX];
        if (!is_innodb(e->d_name))
            continue;
        err = path_join(u, path, dir, e->d_name);
        if (err == 0)
            err = untouched(u, path);
    }
    (void)closedir(d);
    return err;
}

static int innodb_evidence(const struct undo *u)
{
    char path[BINLOG_PATH_MAX];
    struct stat st;
    int err = path_join(u, path, u->place->data_dir, "ibdata1");
    if (err != 0)
        return err;
    if (stat(path, &st) != 0)
        return errmsg_set(u->why, ERR_STATE,
                          "it cannot be told whether the server was started since the cut: there "
                          "is no %s",
                          path);
    err = innodb_untouched(u, u->place->data_dir);
    if (err == 0)
        err = path_join(u, path, u->place->data_dir, "#innodb_redo");
    if (err == 0 && stat(path, &st) == 0) /* MySQL 8.0.30 and later */
        err = innodb_untouched(u, path);
    return err;
}

static int index_evidence(const struct undo *u)
{
    struct binlog_index index = BINLOG_INDEX_INIT;
    char path[BINLOG_PATH_MAX];
    struct stat last;
    int err = 0;
    if (u->place->binlog_index[0] != '\0')
        (void)snprintf(path, sizeof path, "%s", u->place->binlog_index);
    else
        err = binlog_index_find(u->place->data_dir, path, sizeof path, u->why);
    if (err == 0)
        err = binlog_index_read(path, u->place->data_dir, &index, u->why);
    if (err != 0)
        return err;
    if (stat(index.paths[index.count - 1], &last) != 0)
        err = io_error(u, "look at", index.paths[index.count - 1]);
    else if (last.st_dev != u->now.st_dev || last.st_ino != u->now.st_ino)
        err = errmsg_set(u->why, ERR_STATE,
                         "the server was started since the cut: its binlog goes on in %s",
                         index.paths[index.count - 1]);
    binlog_index_release(&index);
    return err;
}

static int flag_evidence(const struct undo *u)
{
    uint8_t flags = 0;
    int fd = open(u->binlog, O_RDONLY | O_CLOEXEC);
    int err = 0;
    if (fd < 0)
        return io_error(u, "open", u->binlog);
    if (pread(fd, &flags, 1, FLAGS_OFFSET) != 1)
        err = io_error(u, "read", u->binlog);
    else if ((flags & BINLOG_FLAG_IN_USE) == 0)
        err = errmsg_set(u->why, ERR_STATE,
                         "the server was started since the cut: it has recovered and closed %s",
                         u->binlog);
    (void)close(fd);
    return err;
}

static int file_evidence(struct undo *u)
{
    uint64_t size;
    if (stat(u->binlog, &u->now) != 0)
        return io_error(u, "look at", u->binlog);
    size = (uint64_t)u->now.st_size;
    if (size == u->size)
        return errmsg_set(u->why, ERR_STATE, "%s has its full size: it was restored already",
                          u->binlog);
    if (size != u->cut)
        return errmsg_set(u->why, ERR_STATE,
                          "%s has %" PRIu64 " bytes and the cut left %" PRIu64
                          ": something has written to it since",
                          u->binlog, size, u->cut);
    if (u->inode != 0 && u->inode != (uint64_t)u->now.st_ino)
        return errmsg_set(u->why, ERR_STATE, "%s is not the file that was cut", u->binlog);
    return 0;
}

/* All but the lock. */
static int evidence(struct undo *u)
{
    int err = salvage_time(u);
    if (err == 0)
        err = file_evidence(u);
    if (err == 0)
        err = index_evidence(u);
    if (err == 0)
        err = flag_evidence(u);
    return err == 0 ? innodb_evidence(u) : err;
}

/* --- the copy --------------------------------------------------------------------------------- */

struct copy {
    int out;
    uint8_t *buf;
    gnutls_hash_hd_t hash; /* NULL: none is compared */
};

static int write_all(const struct undo *u, const struct copy *c, size_t from, size_t to)
{
    while (from < to) {
        ssize_t k = write(c->out, c->buf + from, to - from);
        if (k < 0 && errno != EINTR)
            return io_error(u, "write the copy of", u->binlog);
        from += k > 0 ? (size_t)k : 0;
    }
    return 0;
}

/* Reads [0, end) and writes what lies from `from` on. */
static int copy_bytes(const struct undo *u, const struct copy *c, const char *path, uint64_t from,
                      uint64_t end)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint64_t at = 0;
    int err = 0;
    if (fd < 0)
        return io_error(u, "open", path);
    while (err == 0 && at < end) {
        size_t want = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
        ssize_t n = pread(fd, c->buf, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = io_error(u, "read", path);
        else if (n == 0)
            err = errmsg_set(u->why, ERR_FORMAT, "%s is shorter than the manifest says", path);
        else if (c->hash != NULL && gnutls_hash(c->hash, c->buf, (size_t)n) != 0)
            err = errmsg_set(u->why, ERR_IO, "cannot hash %s", path);
        else if (at + (uint64_t)n > from)
            err = write_all(u, c, from > at ? (size_t)(from - at) : 0, (size_t)n);
        at += n > 0 ? (uint64_t)n : 0;
    }
    (void)close(fd);
    return err;
}

static int copy_part(const struct undo *u, struct copy *c, const struct part *part)
{
    uint8_t digest[SHA256_SIZE];
    char text[2 * SHA256_SIZE + 1], path[BINLOG_PATH_MAX];
    int err = part->name == NULL ? 0 : path_join(u, path, u->place->dir, part->name);
    if (err != 0 || part->name == NULL)
        return err;
    if (gnutls_hash_init(&c->hash, GNUTLS_DIG_SHA256) != 0)
        return errmsg_set(u->why, ERR_NOMEM, "cannot hash %s", path);
    err = copy_bytes(u, c, path, part->from, part->bytes);
    gnutls_hash_deinit(c->hash, digest);
    c->hash = NULL;
    for (int i = 0; i < SHA256_SIZE; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", digest[i]);
    if (err == 0 && strcmp(text, part->sha256) != 0)
        err = errmsg_set(u->why, ERR_FORMAT, "%s is damaged: its SHA-256 is not the manifest's",
                         path);
    return err;
}

static int copy_write(const struct undo *u, const char *path)
{
    struct copy c = {.out = -1};
    struct stat made;
    int err = 0;
    c.out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (c.out < 0)
        return io_error(u, "create", path);
    c.buf = malloc(CHUNK);
    if (c.buf == NULL)
        err = errmsg_set(u->why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    if (err == 0)
        err = copy_bytes(u, &c, u->binlog, 0, u->cut);
    if (err == 0)
        err = copy_part(u, &c, &u->events);
    if (err == 0)
        err = copy_part(u, &c, &u->torn);
    if (err == 0 && (fchown(c.out, u->now.st_uid, u->now.st_gid) != 0 ||
                     fchmod(c.out, u->now.st_mode & 07777) != 0 || fsync(c.out) != 0))
        err = io_error(u, "finish", path);
    if (err == 0 && (fstat(c.out, &made) != 0 || (uint64_t)made.st_size != u->size))
        err = errmsg_set(u->why, ERR_IO, "the copy of %s has not the size it had", u->binlog);
    free(c.buf);
    (void)close(c.out);
    return err;
}

static int sync_directory_of(const struct undo *u, const char *path)
{
    char dir[BINLOG_PATH_MAX];
    const char *slash = strrchr(path, '/');
    int fd, err;
    (void)snprintf(dir, sizeof dir, "%.*s", slash != NULL ? (int)(slash - path) : 0, path);
    fd = open(dir[0] != '\0' ? dir : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    err = fd < 0 || fsync(fd) != 0 ? io_error(u, "sync", dir) : 0;
    if (fd >= 0)
        (void)close(fd);
    return err;
}

static int replace(struct undo *u)
{
    char path[BINLOG_PATH_MAX];
    int n = snprintf(path, sizeof path, "%s" SUFFIX, u->binlog);
    int err = n < 0 || n >= (int)sizeof path
                  ? errmsg_set(u->why, ERR_RANGE, "path too long: %s", u->binlog)
                  : copy_write(u, path);
    if (err == 0)
        err = evidence(u);
    if (err == 0 && rename(path, u->binlog) != 0)
        err = io_error(u, "replace", u->binlog);
    if (err != 0 && n > 0 && n < (int)sizeof path)
        (void)unlink(path);
    if (err != 0)
        return errmsg_wrap(u->why, err, "nothing was changed");
    err = sync_directory_of(u, u->binlog);
    return err == 0 ? 0 : errmsg_wrap(u->why, err, "restored, but a power loss may undo it");
}

/* --- the whole -------------------------------------------------------------------------------- */

static int running(const struct undo *u)
{
    return errmsg_set(u->why, ERR_STATE, "a server has the data directory %s open",
                      u->place->data_dir);
}

int salvage_restore_check(const struct salvage_place *p, struct errmsg *ret_why)
{
    struct undo u = {.place = p, .why = ret_why};
    int err = manifest_read(&u);
    if (err == 0 && binlog_server_is_running(p->data_dir))
        err = running(&u);
    if (err == 0)
        err = evidence(&u);
    json_decref(u.manifest);
    return err;
}

/* As the server itself locks it. The lock ends when any descriptor of the file is closed by this
 * process, so nothing else may open it meanwhile. */
static int lock_server_out(const struct undo *u, int *ret_fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[BINLOG_PATH_MAX];
    int err = path_join(u, path, u->place->data_dir, "ibdata1");
    int fd;
    if (err != 0)
        return err;
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return io_error(u, "open", path);
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        *ret_fd = fd;
        return 0;
    }
    err = errno == EACCES || errno == EAGAIN ? running(u) : io_error(u, "lock", path);
    (void)close(fd);
    return err;
}

int salvage_restore(const struct salvage_place *p, struct errmsg *ret_text)
{
    struct undo u = {.place = p, .why = ret_text};
    int lock = -1;
    int err = manifest_read(&u);
    if (err == 0)
        err = lock_server_out(&u, &lock);
    if (err == 0)
        err = evidence(&u);
    if (err == 0)
        err = replace(&u);
    if (err == 0)
        (void)errmsg_set(ret_text, 0,
                         "%s has its %" PRIu64 " bytes again, of which the cut left %" PRIu64,
                         u.binlog, u.size, u.cut);
    if (lock >= 0)
        (void)close(lock);
    json_decref(u.manifest);
    return err;
}
