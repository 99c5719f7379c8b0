/* SPDX-License-Identifier: Apache-2.0 */
#include "io/clone/clone_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define INSIDE ".tandem"
#define STATE_BYTES_MAX (GTID_TEXT_MAX + 32)
#define OLD_MAX 100
#define KEPT ".kept"

static int dir_error(struct errmsg *m, const char *what, const char *path)
{
    return errmsg_set(m, ERR_IO, "%s '%s': %s", what, path, strerror(errno));
}

static void dir_path(char ret_path[CLONE_PATH_MAX], const char *base, const char *name)
{
    (void)snprintf(ret_path, CLONE_PATH_MAX, "%s/%s", base, name);
}

static bool dir_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static int dir_sync(const char *path, struct errmsg *m)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        (void)close(fd);
    return rc == 0 ? 0 : dir_error(m, "directory cannot be synced", path);
}

/* Can names not be moved between a directory and its parent? A bind mount may have the parent's
 * device, a subvolume is no mount. */
static int dir_stands_alone(const char *path, bool *ret_alone)
{
    char parent[PATH_MAX + 4];
    struct statx own, above;
    (void)snprintf(parent, sizeof parent, "%s/..", path);
    if (statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &own) != 0 ||
        statx(AT_FDCWD, parent, 0, STATX_BASIC_STATS, &above) != 0)
        return ERR_IO;
    *ret_alone = (own.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0 ||
                 own.stx_dev_major != above.stx_dev_major ||
                 own.stx_dev_minor != above.stx_dev_minor;
    return 0;
}

int clone_dir_find(const char *data_dir, struct clone_dir *ret_dir, struct errmsg *m)
{
    char *real = realpath(data_dir, NULL);
    size_t n = strlen(data_dir);
    bool alone = false;
    int rc;
    if (real == NULL)
        return errmsg_set(m, errno == ENOENT ? ERR_NOTFOUND : ERR_IO,
                          "data directory '%s': %s; create it, with the server's user as its owner",
                          data_dir, strerror(errno));
    while (n > 1 && data_dir[n - 1] == '/')
        n--;
    memset(ret_dir, 0, sizeof *ret_dir);
    (void)snprintf(ret_dir->data, sizeof ret_dir->data, "%.*s", (int)n, data_dir);
    rc = dir_stands_alone(real, &alone) != 0 ? -1
                                             : snprintf(ret_dir->root, sizeof ret_dir->root, "%s%s",
                                                        real, alone ? "/" INSIDE : INSIDE);
    free(real);
    if (rc < 0)
        return dir_error(m, "directory", data_dir);
    if ((size_t)rc + sizeof "/state.next" > sizeof ret_dir->root)
        return errmsg_set(m, ERR_RANGE, "data directory '%s': its real path is too long", data_dir);
    dir_path(ret_dir->fresh, ret_dir->root, "new");
    dir_path(ret_dir->spare, ret_dir->root, "spare");
    ret_dir->inside = alone;
    return 0;
}

/* ---- the state ---- */

static int dir_note(const struct clone_dir *d, const char *word, const char *position,
                    struct errmsg *m)
{
    char path[CLONE_PATH_MAX];
    char next[CLONE_PATH_MAX];
    int fd;
    bool ok;
    dir_path(path, d->root, "state");
    dir_path(next, d->root, "state.next");
    /* The directory is the server's user's: no link of its making is followed. */
    fd = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return dir_error(m, "cannot write", next);
    ok = dprintf(fd, "%s\n%s\n", word, position) > 0 && fsync(fd) == 0;
    (void)close(fd);
    if (!ok || rename(next, path) != 0)
        return dir_error(m, "cannot write", path);
    return dir_sync(d->root, m);
}

/* The word, "" if there is none. */
static void dir_noted(const struct clone_dir *d, char ret_word[16], char *ret_position)
{
    char path[CLONE_PATH_MAX];
    char line[STATE_BYTES_MAX] = "";
    FILE *f;
    ret_word[0] = ret_position[0] = '\0';
    dir_path(path, d->root, "state");
    f = fopen(path, "re");
    if (f == NULL)
        return;
    if (fgets(line, sizeof line, f) != NULL)
        (void)snprintf(ret_word, 16, "%.*s", (int)strcspn(line, "\n"), line);
    if (fgets(line, sizeof line, f) != NULL)
        (void)snprintf(ret_position, GTID_TEXT_MAX, "%.*s", (int)strcspn(line, "\n"), line);
    (void)fclose(f);
}

void clone_dir_look(const struct clone_dir *d, struct clone_report *ret_report)
{
    static const struct {
        const char *word;
        int state;
    } words[] = {
        {"receiving", CLONE_FAILED}, {"ready", CLONE_READY},   {"out", CLONE_READY},
        {"in", CLONE_READY},         {"placed", CLONE_PLACED}, {"adopted", CLONE_ADOPTED},
    };
    char word[16];
    clone_report_init(ret_report);
    dir_noted(d, word, ret_report->position);
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) == 0)
            ret_report->state = words[i].state;
    }
    if (ret_report->state == CLONE_FAILED)
        (void)snprintf(ret_report->error, sizeof ret_report->error,
                       "the agent was stopped while it copied");
}

/* ---- trees ---- */

enum tree_work { TREE_REMOVE, TREE_OWN };

static int tree_entry(const FTSENT *e, enum tree_work work, const struct stat *owner)
{
    if (work == TREE_OWN)
        return e->fts_info != FTS_DP ? lchown(e->fts_accpath, owner->st_uid, owner->st_gid) : 0;
    if (e->fts_info == FTS_D)
        return 0;
    return e->fts_info == FTS_DP ? rmdir(e->fts_accpath) : unlink(e->fts_accpath);
}

static int tree_walk(const char *path, enum tree_work work, const struct stat *owner,
                     struct errmsg *m)
{
    char name[CLONE_PATH_MAX];
    char *paths[] = {name, NULL};
    FTS *fts;
    FTSENT *e;
    int rc = 0;
    if (!dir_exists(path))
        return 0;
    (void)snprintf(name, sizeof name, "%s", path);
    fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (fts == NULL)
        return dir_error(m, "cannot walk", path);
    while (rc == 0 && (e = fts_read(fts)) != NULL) {
        if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS)
            errno = e->fts_errno;
        else if (tree_entry(e, work, owner) == 0)
            continue;
        rc =
            dir_error(m, work == TREE_REMOVE ? "cannot remove" : "cannot give to the server's user",
                      e->fts_path);
    }
    (void)fts_close(fts);
    return rc;
}

int clone_dir_size(const struct clone_dir *d, const char *skip, uint64_t *ret_bytes)
{
    char name[CLONE_PATH_MAX];
    char *paths[] = {name, NULL};
    size_t skipped = strlen(skip);
    uint64_t bytes = 0;
    FTS *fts;
    FTSENT *e;
    (void)snprintf(name, sizeof name, "%s", d->data);
    fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (fts == NULL)
        return ERR_IO;
    while ((e = fts_read(fts)) != NULL) {
        if (e->fts_level == 1 && strcmp(e->fts_name, INSIDE) == 0)
            (void)fts_set(fts, e, FTS_SKIP);
        else if (e->fts_info == FTS_F &&
                 (e->fts_level != 1 || skipped == 0 || strncmp(e->fts_name, skip, skipped) != 0))
            bytes += (uint64_t)e->fts_statp->st_blocks * 512;
    }
    (void)fts_close(fts);
    *ret_bytes = bytes;
    return 0;
}

int clone_dir_room(const struct clone_dir *d, uint64_t *ret_bytes)
{
    struct statvfs v;
    if (statvfs(d->data, &v) != 0)
        return ERR_IO;
    *ret_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

/* ---- the copy ---- */

int clone_dir_begin(const struct clone_dir *d, bool make, struct errmsg *m)
{
    struct stat owner;
    int err;
    if (stat(d->data, &owner) != 0)
        return dir_error(m, "data directory", d->data);
    if (mkdir(d->root, 0700) != 0 && errno != EEXIST)
        return dir_error(m, "cannot make directory", d->root);
    if (chown(d->root, owner.st_uid, owner.st_gid) != 0)
        return dir_error(m, "cannot give to the server's user", d->root);
    err = dir_note(d, "receiving", "", m);
    if (err == 0)
        err = tree_walk(d->fresh, TREE_REMOVE, NULL, m);
    if (err == 0)
        err = clone_dir_drop_spare(d, m);
    if (err == 0 && make && mkdir(d->fresh, 0700) != 0)
        return dir_error(m, "cannot make directory", d->fresh);
    return err;
}

int clone_dir_drop_spare(const struct clone_dir *d, struct errmsg *m)
{
    return tree_walk(d->spare, TREE_REMOVE, NULL, m);
}

int clone_dir_make_spare(const struct clone_dir *d, struct stat *ret_owner, struct errmsg *m)
{
    int err = clone_dir_drop_spare(d, m);
    if (err != 0)
        return err;
    if (stat(d->data, ret_owner) != 0)
        return dir_error(m, "data directory", d->data);
    if (mkdir(d->spare, 0700) != 0)
        return dir_error(m, "cannot make directory", d->spare);
    return chown(d->spare, ret_owner->st_uid, ret_owner->st_gid) == 0
               ? 0
               : dir_error(m, "cannot give to the server's user", d->spare);
}

static int dir_sync_all(const char *path, struct errmsg *m)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : syncfs(fd);
    if (fd >= 0)
        (void)close(fd);
    return rc == 0 ? 0 : dir_error(m, "file system cannot be synced", path);
}

int clone_dir_ready(const struct clone_dir *d, const char *position, struct errmsg *m)
{
    struct stat owner;
    int err;
    if (stat(d->data, &owner) != 0)
        return dir_error(m, "data directory", d->data);
    err = tree_walk(d->fresh, TREE_OWN, &owner, m);
    if (err == 0)
        err = dir_sync_all(d->fresh, m);
    return err != 0 ? err : dir_note(d, "ready", position, m);
}

/* ---- moving ---- */

static bool dir_is_own_file(const struct clone_dir *d, const char *name, const char *error_log)
{
    static const char *const ends[] = {".cnf", ".pem", ".flag"};
    char path[CLONE_PATH_MAX];
    size_t n = strlen(name);
    dir_path(path, d->data, name);
    if (strcmp(path, error_log) == 0)
        return true;
    for (unsigned i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strcmp(name + n - k, ends[i]) == 0)
            return strcmp(name, "backup-my.cnf") != 0;
    }
    return false;
}

struct move {
    const struct clone_dir *dir;
    const char *from;
    const char *to;
    const char *error_log; /* not NULL: link own files only */
};

static int move_one(const struct move *v, const char *name, struct errmsg *m)
{
    char from[CLONE_PATH_MAX + NAME_MAX];
    char to[CLONE_PATH_MAX + NAME_MAX];
    (void)snprintf(from, sizeof from, "%s/%s", v->from, name);
    (void)snprintf(to, sizeof to, "%s/%s", v->to, name);
    if (v->error_log == NULL)
        return rename(from, to) == 0 ? 0 : dir_error(m, "cannot move", from);
    if (!dir_is_own_file(v->dir, name, v->error_log))
        return 0;
    return link(from, to) == 0 || errno == EEXIST ? 0 : dir_error(m, "cannot link", from);
}

static int move_pass(const struct move *v, DIR *dir, unsigned *ret_seen, struct errmsg *m)
{
    struct dirent *e;
    int err = 0;
    *ret_seen = 0;
    while (err == 0 && (e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            strcmp(e->d_name, INSIDE) == 0)
            continue;
        (*ret_seen)++;
        err = move_one(v, e->d_name, m);
    }
    return err;
}

/* Until a pass finds nothing: names that leave may make readdir() skip others. */
static int move_all(const struct move *v, struct errmsg *m)
{
    DIR *dir = opendir(v->from);
    unsigned seen = 1;
    int err = 0;
    if (dir == NULL)
        return dir_error(m, "cannot read directory", v->from);
    while (err == 0 && seen > 0) {
        rewinddir(dir);
        err = move_pass(v, dir, &seen, m);
        if (v->error_log != NULL)
            break; /* nothing leaves */
    }
    (void)closedir(dir);
    if (err == 0)
        err = dir_sync(v->from, m);
    return err == 0 ? dir_sync(v->to, m) : err;
}

static void dir_old(const struct clone_dir *d, unsigned i, char ret_old[CLONE_PATH_MAX])
{
    char name[16];
    (void)snprintf(name, sizeof name, i == 0 ? "old" : "old.%u", i);
    dir_path(ret_old, d->root, name);
}

/* So many there were at most: somebody may have removed some of them. */
static unsigned dir_count_old(const struct clone_dir *d)
{
    char path[CLONE_PATH_MAX];
    for (unsigned n = OLD_MAX; n > 0; n--) {
        dir_old(d, n - 1, path);
        if (dir_exists(path))
            return n;
    }
    return 0;
}

/* The one after the last: what was there first is what must not be lost. */
static int dir_make_old(const struct clone_dir *d, char ret_old[CLONE_PATH_MAX], struct errmsg *m)
{
    unsigned n = dir_count_old(d);
    if (n == OLD_MAX)
        return errmsg_set(m, ERR_RANGE, "'%s' holds too much old data: remove what is not needed",
                          d->root);
    dir_old(d, n, ret_old);
    return mkdir(ret_old, 0700) == 0 ? 0 : dir_error(m, "cannot make directory", ret_old);
}

/* The last one that was made: where an interrupted move had been going. */
static void dir_last_old(const struct clone_dir *d, char ret_old[CLONE_PATH_MAX])
{
    unsigned n = dir_count_old(d);
    dir_old(d, n == 0 ? 0 : n - 1, ret_old);
}

/* What an order has left for a human is no other order's to remove. */
static int dir_settle_old(const struct clone_dir *d, enum clone_old old, struct errmsg *m)
{
    char path[CLONE_PATH_MAX];
    char mark[CLONE_PATH_MAX + sizeof KEPT];
    unsigned n = dir_count_old(d);
    int err = 0;
    for (unsigned i = 0; i < n && err == 0; i++) {
        dir_old(d, i, path);
        (void)snprintf(mark, sizeof mark, "%s/" KEPT, path);
        if (old == CLONE_OLD_KEPT && dir_exists(path)) {
            int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            err = fd >= 0 ? dir_sync(path, m) : dir_error(m, "cannot write", mark);
            if (fd >= 0)
                (void)close(fd);
        } else if (old == CLONE_OLD_REMOVED && !dir_exists(mark)) {
            err = tree_walk(path, TREE_REMOVE, NULL, m);
        }
    }
    return err;
}

static int dir_move_out(const struct clone_dir *d, const char *position, const char *error_log,
                        struct errmsg *m)
{
    char old[CLONE_PATH_MAX];
    struct move own = {.dir = d, .from = d->data, .to = d->fresh, .error_log = error_log};
    struct move out = {.dir = d, .from = d->data, .to = old};
    int err = move_all(&own, m);
    if (err == 0)
        err = dir_make_old(d, old, m);
    if (err == 0)
        err = dir_note(d, "out", position, m);
    return err == 0 ? move_all(&out, m) : err;
}

int clone_dir_place(const struct clone_dir *d, const char *error_log, struct errmsg *m)
{
    char word[16];
    char position[GTID_TEXT_MAX];
    char old[CLONE_PATH_MAX];
    struct move in = {.dir = d, .from = d->fresh, .to = d->data};
    int err = 0;
    dir_noted(d, word, position);
    if (strcmp(word, "placed") == 0 || strcmp(word, "adopted") == 0)
        return 0;
    if (strcmp(word, "ready") == 0) {
        err = dir_move_out(d, position, error_log, m);
    } else if (strcmp(word, "out") == 0) {
        struct move out = {.dir = d, .from = d->data, .to = old};
        dir_last_old(d, old);
        err = move_all(&out, m);
    } else if (strcmp(word, "in") != 0) {
        return errmsg_set(m, ERR_STATE, "there is no whole copy in '%s'", d->root);
    }
    if (err == 0 && strcmp(word, "in") != 0)
        err = dir_note(d, "in", position, m);
    if (err == 0)
        err = move_all(&in, m);
    return err == 0 ? dir_note(d, "placed", position, m) : err;
}

int clone_dir_adopted(const struct clone_dir *d, struct errmsg *m)
{
    char word[16];
    char position[GTID_TEXT_MAX];
    dir_noted(d, word, position);
    if (strcmp(word, "placed") != 0 && strcmp(word, "adopted") != 0)
        return errmsg_set(m, ERR_STATE, "no copy has been put in place");
    return dir_note(d, "adopted", position, m);
}

static int dir_forget(const struct clone_dir *d, const char *name, struct errmsg *m)
{
    char path[CLONE_PATH_MAX];
    dir_path(path, d->root, name);
    return unlink(path) == 0 || errno == ENOENT ? 0 : dir_error(m, "cannot remove", path);
}

int clone_dir_clear(const struct clone_dir *d, enum clone_old old, struct errmsg *m)
{
    char word[16];
    char position[GTID_TEXT_MAX];
    int err;
    dir_noted(d, word, position);
    if (strcmp(word, "out") == 0 || strcmp(word, "in") == 0)
        return errmsg_set(m, ERR_STATE,
                          "a copy is half in place; nothing in '%s' may be removed before it is "
                          "there",
                          d->root);
    err = dir_settle_old(d, old, m);
    if (err == 0)
        err = tree_walk(d->fresh, TREE_REMOVE, NULL, m);
    if (err == 0)
        err = clone_dir_drop_spare(d, m);
    if (err == 0)
        err = dir_forget(d, "state.next", m);
    if (err == 0)
        err = dir_forget(d, "state", m);
    /* Gone if nothing old is in there. */
    if (err == 0 && rmdir(d->root) != 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
        return dir_error(m, "cannot remove", d->root);
    return err;
}
