/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gnutls/crypto.h>

#include "wire/binlog_event.h"

#define CHUNK (256U << 10)
#define SHA256_SIZE 32
/* Of the byte with the flag "in use": magic, then the low byte of the first event's flags. */
#define IN_USE_OFFSET (BINLOG_MAGIC_SIZE + 17)

static int io_error(struct errmsg *m, const char *what, const char *name)
{
    int err = errno == ENOSPC || errno == EDQUOT  ? ERR_NOSPC
              : errno == EACCES || errno == EROFS ? ERR_PERM
                                                  : ERR_IO;
    return errmsg_set(m, err, "%s %s: %s", what, name, strerror(errno));
}

int salvage_ranges_add(struct salvage_ranges *r, uint64_t from, uint64_t to)
{
    struct salvage_range *items;
    if (r->count > 0 && r->items[r->count - 1].to == from) {
        r->items[r->count - 1].to = to;
        return 0;
    }
    items = realloc(r->items, (r->count + 1) * sizeof *items);
    if (items == NULL)
        return ERR_NOMEM;
    r->items = items;
    r->items[r->count++] = (struct salvage_range){from, to};
    return 0;
}

void salvage_ranges_release(struct salvage_ranges *r)
{
    free(r->items);
    *r = (struct salvage_ranges){0};
}

/* --- directory -------------------------------------------------------------------------------- */

static void utc_name(char *buf, size_t size)
{
    struct timespec now;
    struct tm tm;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(buf, size, "%Y%m%dT%H%M%SZ", &tm);
}

static int fsync_parent(const char *path, struct errmsg *m)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd < 0 || fsync(fd) != 0 ? io_error(m, "cannot sync", path) : 0;
    if (fd >= 0)
        (void)close(fd);
    return err;
}

/* Two salvages of one second get -2, -3 ... : neither form of the name may exist. */
static int make_directory(struct salvage *s, const char *node, uint64_t epoch, struct errmsg *m)
{
    char time[32], path[SALVAGE_PATH_MAX];
    utc_name(time, sizeof time);
    for (unsigned i = 1; i <= 100; i++) {
        char suffix[16] = "";
        struct stat st;
        int n;
        if (i > 1)
            (void)snprintf(suffix, sizeof suffix, "-%u", i);
        (void)snprintf(s->name, sizeof s->name, "%s-%.64s-%llu%s", time, node,
                       (unsigned long long)epoch, suffix);
        n = snprintf(path, sizeof path, "%s/%s", s->parent, s->name);
        if (n < 0 || (size_t)n + sizeof ".partial" > sizeof path)
            return errmsg_set(m, ERR_RANGE, "salvage path too long");
        if (stat(path, &st) == 0)
            continue;
        (void)snprintf(path + n, sizeof path - (size_t)n, ".partial");
        if (mkdir(path, 0700) != 0 && errno == EEXIST)
            continue;
        s->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return s->dir_fd < 0 ? io_error(m, "cannot create", path) : 0;
    }
    return errmsg_set(m, ERR_EXISTS, "too many salvages in %s", s->parent);
}

static int make_parent(const char *parent, struct errmsg *m)
{
    char above[SALVAGE_PATH_MAX + 4];
    if (mkdir(parent, 0700) != 0)
        return errno == EEXIST ? 0 : io_error(m, "cannot create", parent);
    (void)snprintf(above, sizeof above, "%s/..", parent);
    return fsync_parent(above, m);
}

int salvage_open(struct salvage *s, const char *parent, const char *node, uint64_t epoch,
                 const atomic_bool *cancel, struct errmsg *m)
{
    int err;
    memset(s, 0, sizeof *s);
    s->dir_fd = -1;
    s->cancel = cancel;
    if (snprintf(s->parent, sizeof s->parent, "%s", parent) >= (int)sizeof s->parent)
        return errmsg_set(m, ERR_RANGE, "salvage path too long");
    err = make_parent(parent, m);
    if (err == 0)
        err = make_directory(s, node, epoch, m);
    if (err != 0)
        return err;
    s->root = json_object();
    s->files = json_array();
    if (s->root == NULL || s->files == NULL ||
        json_object_set_new(s->root, "files", s->files) != 0) {
        salvage_close(s);
        return ERR_NOMEM;
    }
    return 0;
}

void salvage_close(struct salvage *s)
{
    if (s->dir_fd >= 0)
        (void)close(s->dir_fd);
    json_decref(s->root);
    s->dir_fd = -1;
    s->root = s->files = NULL;
}

/* --- files ------------------------------------------------------------------------------------ */

struct copy {
    int in;
    int out;
    uint64_t written;
    uint8_t *buf;
    gnutls_hash_hd_t hash;
    bool clear_in_use;
};

static int write_all(struct copy *c, size_t n, const char *name, struct errmsg *m)
{
    size_t done = 0;
    if (gnutls_hash(c->hash, c->buf, n) != 0)
        return errmsg_set(m, ERR_IO, "cannot hash %s", name);
    while (done < n) {
        ssize_t k = write(c->out, c->buf + done, n - done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return io_error(m, "cannot write", name);
        done += (size_t)k;
    }
    c->written += n;
    return 0;
}

static int copy_range(struct salvage *s, struct copy *c, uint64_t from, uint64_t to,
                      const char *name, struct errmsg *m)
{
    while (from < to) {
        size_t want = to - from < CHUNK ? (size_t)(to - from) : CHUNK;
        ssize_t n = pread(c->in, c->buf, want, (off_t)from);
        int err;
        if (n < 0 && errno == EINTR)
            continue;
        if (s->cancel != NULL && atomic_load(s->cancel))
            return ERR_CANCELED;
        if (n <= 0)
            return n < 0 ? io_error(m, "cannot read the source of", name)
                         : errmsg_set(m, ERR_IO, "the source of %s became shorter", name);
        if (c->clear_in_use && from == 0 && n > IN_USE_OFFSET)
            c->buf[IN_USE_OFFSET] = (uint8_t)(c->buf[IN_USE_OFFSET] & ~BINLOG_FLAG_IN_USE);
        err = write_all(c, (size_t)n, name, m);
        if (err != 0)
            return err;
        from += (uint64_t)n;
    }
    return 0;
}

static json_t *entry_new(const char *name, const char *source, uint64_t header,
                         const struct salvage_ranges *ranges, const char *sha256, uint64_t bytes)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < ranges->count; i++)
        (void)json_array_append_new(list, json_pack("[I,I]", (json_int_t)ranges->items[i].from,
                                                    (json_int_t)ranges->items[i].to));
    return json_pack("{s:s, s:s, s:I, s:I, s:s, s:o}", "name", name, "source", source,
                     "events_offset", (json_int_t)header, "bytes", (json_int_t)bytes, "sha256",
                     sha256, "ranges", list);
}

static int copy_finish(struct salvage *s, struct copy *c, const char *name, char *ret_sha256,
                       struct errmsg *m)
{
    uint8_t digest[SHA256_SIZE];
    gnutls_hash_deinit(c->hash, digest);
    c->hash = NULL;
    for (int i = 0; i < SHA256_SIZE; i++)
        (void)snprintf(ret_sha256 + 2 * i, 3, "%02x", digest[i]);
    if (fsync(c->out) != 0)
        return io_error(m, "cannot sync", name);
    s->bytes += c->written;
    return 0;
}

static int copy_open(struct salvage *s, struct copy *c, const char *name, const char *source,
                     struct errmsg *m)
{
    c->in = open(source, O_RDONLY | O_CLOEXEC);
    if (c->in < 0)
        return io_error(m, "cannot open", source);
    c->out = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (c->out < 0)
        return io_error(m, "cannot create", name);
    c->buf = malloc(CHUNK);
    if (c->buf == NULL)
        return ERR_NOMEM;
    if (gnutls_hash_init(&c->hash, GNUTLS_DIG_SHA256) != 0) {
        c->hash = NULL;
        return errmsg_set(m, ERR_NOMEM, "cannot hash %s", name);
    }
    return 0;
}

int salvage_copy(struct salvage *s, const char *name, const char *source, uint64_t header,
                 const struct salvage_ranges *ranges, json_t **ret_entry, struct errmsg *m)
{
    struct copy c = {.in = -1, .out = -1, .clear_in_use = header > 0};
    char sha256[2 * SHA256_SIZE + 1];
    json_t *entry;
    int err = copy_open(s, &c, name, source, m);
    if (err == 0)
        err = copy_range(s, &c, 0, header, name, m);
    c.clear_in_use = false;
    for (unsigned i = 0; err == 0 && i < ranges->count; i++)
        err = copy_range(s, &c, ranges->items[i].from, ranges->items[i].to, name, m);
    if (err == 0)
        err = copy_finish(s, &c, name, sha256, m);
    if (c.hash != NULL)
        gnutls_hash_deinit(c.hash, NULL);
    free(c.buf);
    if (c.in >= 0)
        (void)close(c.in);
    if (c.out >= 0)
        (void)close(c.out);
    if (err != 0)
        return err;
    entry = entry_new(name, source, header, ranges, sha256, c.written);
    if (entry == NULL || json_array_append_new(s->files, entry) != 0)
        return ERR_NOMEM;
    if (ret_entry != NULL)
        *ret_entry = entry;
    return 0;
}

static int write_manifest(struct salvage *s, struct errmsg *m)
{
    static const char name[] = "manifest.json";
    int fd = openat(s->dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int err = 0;
    if (fd < 0)
        return io_error(m, "cannot create", name);
    if (json_dumpfd(s->root, fd, JSON_INDENT(1)) != 0 || write(fd, "\n", 1) != 1 || fsync(fd) != 0)
        err = io_error(m, "cannot write", name);
    (void)close(fd);
    return err;
}

int salvage_commit(struct salvage *s, char *ret_path, struct errmsg *m)
{
    char partial[SALVAGE_PATH_MAX + 16], path[SALVAGE_PATH_MAX];
    char time[32];
    int err;
    utc_name(time, sizeof time);
    (void)json_object_set_new(s->root, "created", json_string(time));
    err = write_manifest(s, m);
    if (err != 0)
        return err;
    (void)snprintf(path, sizeof path, "%s/%s", s->parent, s->name);
    (void)snprintf(partial, sizeof partial, "%s.partial", path);
    if (fsync(s->dir_fd) != 0 || rename(partial, path) != 0)
        return io_error(m, "cannot finish", path);
    err = fsync_parent(s->parent, m);
    if (err == 0)
        memcpy(ret_path, path, sizeof path);
    return err;
}
