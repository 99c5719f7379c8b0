/* SPDX-License-Identifier: Apache-2.0 */
#include "io/store/binlog_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define INDEX_SIZE_MAX (4U << 20)
#define CHUNK (256U << 10)

static int io_error(struct errmsg *m, const char *what, const char *path)
{
    int err = errno == ENOENT ? ERR_NOTFOUND : errno == EACCES ? ERR_PERM : ERR_IO;
    return errmsg_set(m, err, "%s %s: %s", what, path, strerror(errno));
}

static int path_join(char *buf, size_t size, const char *dir, const char *name)
{
    int n;
    if (name[0] == '.' && name[1] == '/')
        name += 2;
    n = name[0] == '/' ? snprintf(buf, size, "%s", name) : snprintf(buf, size, "%s/%s", dir, name);
    return n < 0 || (size_t)n >= size ? ERR_FORMAT : 0;
}

/* --- index ------------------------------------------------------------------------------------ */

static int read_text(const char *path, char **ret_text, struct errmsg *m)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t n = 1;
    char *text;
    if (fd < 0)
        return io_error(m, "cannot open", path);
    text = malloc(INDEX_SIZE_MAX + 1);
    while (text != NULL && n > 0 && used < INDEX_SIZE_MAX) {
        n = read(fd, text + used, INDEX_SIZE_MAX - used);
        if (n > 0)
            used += (size_t)n;
        if (n < 0 && errno == EINTR)
            n = 1;
    }
    (void)close(fd);
    if (text == NULL)
        return ERR_NOMEM;
    if (n < 0) {
        free(text);
        return io_error(m, "cannot read", path);
    }
    text[used] = '\0';
    *ret_text = text;
    return 0;
}

void binlog_index_release(struct binlog_index *index)
{
    for (unsigned i = 0; i < index->count; i++)
        free(index->paths[i]);
    free(index->paths);
    free(index->text);
    *index = (struct binlog_index)BINLOG_INDEX_INIT;
}

static int index_add(struct binlog_index *index, const char *data_dir, const char *name)
{
    char path[BINLOG_PATH_MAX];
    char **paths = realloc(index->paths, (index->count + 1) * sizeof *paths);
    int err = path_join(path, sizeof path, data_dir, name);
    if (paths == NULL)
        return ERR_NOMEM;
    index->paths = paths;
    if (err != 0)
        return err;
    index->paths[index->count] = strdup(path);
    if (index->paths[index->count] == NULL)
        return ERR_NOMEM;
    index->count++;
    return 0;
}

int binlog_index_read(const char *index_path, const char *data_dir, struct binlog_index *ret_index,
                      struct errmsg *m)
{
    struct binlog_index index = BINLOG_INDEX_INIT;
    char *at, *line;
    int err = read_text(index_path, &index.text, m);
    if (err != 0)
        return err;
    at = index.text;
    while (err == 0 && (line = strsep(&at, "\n")) != NULL)
        if (line[0] != '\0')
            err = index_add(&index, data_dir, line);
    if (err == 0 && index.count == 0)
        err = ERR_FORMAT;
    if (err != 0) {
        binlog_index_release(&index);
        return errmsg_set(m, err, "binlog index %s: %s", index_path,
                          err == ERR_FORMAT ? "no usable entry" : err_text(err));
    }
    *ret_index = index;
    return 0;
}

enum log_kind { LOG_UNREADABLE, LOG_BINLOG, LOG_RELAY };

/* A relay log's format description says that it is one. */
static enum log_kind log_kind(const char *path)
{
    struct binlog_walk *w = malloc(sizeof *w);
    uint8_t buf[4096];
    enum log_kind kind = LOG_UNREADABLE;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, buf, sizeof buf) : -1;
    if (w != NULL && n > 0) {
        size_t at = 0, used;
        enum binlog_step step = BINLOG_STEP_MORE;
        binlog_walk_init(w);
        while (at < (size_t)n && step == BINLOG_STEP_MORE) {
            step = binlog_walk_feed(w, buf + at, (size_t)n - at, &used);
            at += used;
        }
        if (w->err == ERR_UNSUPPORTED)
            kind = LOG_BINLOG; /* encrypted: said later, with its own reason */
        else if (w->has_format)
            kind = w->format.relay_log ? LOG_RELAY : LOG_BINLOG;
    }
    if (fd >= 0)
        (void)close(fd);
    free(w);
    return kind;
}

/* By the newest file that says what it is: the last one may have been made just before the crash.
 */
static bool index_is_of_binlogs(const char *path, const char *data_dir)
{
    struct binlog_index index;
    enum log_kind kind = LOG_UNREADABLE;
    if (binlog_index_read(path, data_dir, &index, NULL) != 0)
        return false;
    for (unsigned i = index.count; i > 0 && kind == LOG_UNREADABLE; i--)
        kind = log_kind(index.paths[i - 1]);
    binlog_index_release(&index);
    return kind == LOG_BINLOG;
}

int binlog_index_find(const char *data_dir, char *ret_path, size_t size, struct errmsg *m)
{
    DIR *dir = opendir(data_dir);
    char found[BINLOG_PATH_MAX] = "";
    const struct dirent *e;
    int err = 0;
    if (dir == NULL)
        return io_error(m, "cannot open", data_dir);
    while (err == 0 && (e = readdir(dir)) != NULL) {
        size_t n = strlen(e->d_name);
        char path[BINLOG_PATH_MAX];
        if (n <= 6 || strcmp(e->d_name + n - 6, ".index") != 0 ||
            path_join(path, sizeof path, data_dir, e->d_name) != 0 ||
            !index_is_of_binlogs(path, data_dir))
            continue;
        if (found[0] != '\0')
            err = errmsg_set(m, ERR_NOTFOUND, "two binlog indexes: %s and %s", found, path);
        memcpy(found, path, sizeof found);
    }
    (void)closedir(dir);
    if (err == 0 && found[0] == '\0')
        err = errmsg_set(m, ERR_NOTFOUND, "no binlog index in %s", data_dir);
    if (err != 0)
        return err;
    return path_join(ret_path, size, "", found);
}

/* --- files ------------------------------------------------------------------------------------ */

bool binlog_server_is_running(const char *data_dir)
{
    char path[BINLOG_PATH_MAX];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool running = false;
    int fd;
    if (path_join(path, sizeof path, data_dir, "ibdata1") != 0)
        return false;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (fcntl(fd, F_GETLK, &lock) == 0)
        running = lock.l_type != F_UNLCK;
    (void)close(fd);
    return running;
}

static int walk_bytes(struct binlog_walk *w, const uint8_t *data, size_t n,
                      int (*on_group)(void *data, const struct binlog_walk *w), void *group_data)
{
    size_t at = 0;
    while (at < n) {
        size_t used;
        enum binlog_step step = binlog_walk_feed(w, data + at, n - at, &used);
        at += used;
        if (step == BINLOG_STEP_BAD)
            return 0;
        if (step == BINLOG_STEP_EVENT && w->group_ready) {
            int err = on_group(group_data, w);
            if (err != 0)
                return err;
        }
    }
    return 0;
}

static int budget_take(struct binlog_budget *b, size_t n, struct errmsg *m)
{
    if (b->cancel != NULL && atomic_load(b->cancel))
        return ERR_CANCELED;
    if (n > b->bytes_left)
        return errmsg_set(m, ERR_RANGE, "more bytes to read than allowed");
    b->bytes_left -= n;
    return 0;
}

int binlog_file_walk(const char *path, struct binlog_budget *budget, struct binlog_walk *w,
                     int (*on_group)(void *data, const struct binlog_walk *w), void *data,
                     struct stat *ret_stat, struct errmsg *m)
{
    uint8_t *buf = NULL;
    struct stat st;
    int err = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    binlog_walk_init(w);
    if (fd < 0)
        return io_error(m, "cannot open", path);
    if (fstat(fd, &st) != 0)
        err = io_error(m, "cannot stat", path);
    buf = err == 0 ? malloc(CHUNK) : NULL;
    if (err == 0 && buf == NULL)
        err = ERR_NOMEM;
    /* Up to the size it had when opened: a running server may append. */
    for (off_t at = 0; err == 0 && at < st.st_size && w->err == 0;) {
        size_t want = st.st_size - at < CHUNK ? (size_t)(st.st_size - at) : CHUNK;
        ssize_t n = pread(fd, buf, want, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err = n < 0 ? io_error(m, "cannot read", path)
                        : errmsg_set(m, ERR_IO, "%s became shorter while it was read", path);
            break;
        }
        at += n;
        err = budget_take(budget, (size_t)n, m);
        if (err == 0)
            err = walk_bytes(w, buf, (size_t)n, on_group, data);
    }
    free(buf);
    (void)close(fd);
    if (err == 0)
        *ret_stat = st;
    return err;
}
