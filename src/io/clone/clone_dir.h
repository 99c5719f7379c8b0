/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places of a copy beside a server's data directory, and how they change. Blocking, for a
 * process of its own; decides nothing.
 *
 *   ROOT/new    the copy
 *   ROOT/old    what was in the data directory before (old.1, old.2 ... for what came between)
 *   ROOT/spare  what a server that makes the copy needs, while it does
 *   ROOT/state  which of them is what; survives a crash
 *
 * ROOT is DATA_DIR.tandem, or DATA_DIR/.tandem where the data directory is a mount point or a file
 * system of its own: what is moved must stay within one. A symbolic link is followed first. The
 * data directory itself stays (owner, mode, mount); everything in it is moved, name by name, by
 * rename. A move that was interrupted is gone on with by doing it again: `out` is written before
 * the first name leaves, `in` before the first one of the copy comes.
 *
 * What belongs to the server and not to its data is linked into the copy before it is placed, if it
 * is not in there: auto.cnf, mysqld-auto.cnf, other *.cnf, *.pem, *.flag, and the error log.
 */
#ifndef TANDEM_IO_CLONE_CLONE_DIR_H
#define TANDEM_IO_CLONE_CLONE_DIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "util/err.h"
#include "wire/clone.h"
#include "wire/limits.h"

#define CLONE_PATH_MAX (PATH_TEXT_MAX + 64)

struct clone_dir {
    char data[PATH_TEXT_MAX];
    char root[CLONE_PATH_MAX];
    char fresh[CLONE_PATH_MAX]; /* ROOT/new */
    char spare[CLONE_PATH_MAX]; /* ROOT/spare */
    bool inside;                /* ROOT is in the data directory */
};

/* What becomes of old data. */
enum clone_old {
    CLONE_OLD_REMOVED, /* but for what was kept before */
    CLONE_OLD_STAYS,
    CLONE_OLD_KEPT /* no other copy removes it: a human does (marked by an empty file `.kept`) */
};

/* ERR_NOTFOUND: no such data directory. ERR_RANGE: its real path is too long. ERR_IO. */
int clone_dir_find(const char *data_dir, struct clone_dir *ret_dir, struct errmsg *m) NODISCARD;

/* What lies there: NONE, FAILED (a copy that nobody finished), READY (a move that was interrupted
 * included), PLACED or ADOPTED, with its position. */
void clone_dir_look(const struct clone_dir *d, struct clone_report *ret_report);

/* Makes ROOT (0700, owner of the data directory), removes ROOT/new and ROOT/spare; make: and makes
 * an empty one. An old data directory stays. */
int clone_dir_begin(const struct clone_dir *d, bool make, struct errmsg *m) NODISCARD;
/* An empty ROOT/spare (0700, owner of the data directory, told in ret_owner); and none. */
int clone_dir_make_spare(const struct clone_dir *d, struct stat *ret_owner,
                         struct errmsg *m) NODISCARD;
int clone_dir_drop_spare(const struct clone_dir *d, struct errmsg *m) NODISCARD;
/* The copy in ROOT/new is whole: owner as the data directory's, everything on disk, noted. */
int clone_dir_ready(const struct clone_dir *d, const char *position, struct errmsg *m) NODISCARD;
/* Moves. error_log: "" or the server's, which stays its own if it is in the data directory. The
 * caller knows that no server runs. ERR_STATE: there is no whole copy. */
int clone_dir_place(const struct clone_dir *d, const char *error_log, struct errmsg *m) NODISCARD;
int clone_dir_adopted(const struct clone_dir *d, struct errmsg *m) NODISCARD;
/* Removes what is in ROOT but old data, and of that what `old` says; ROOT itself if it is empty
 * then. Not while names are being moved: ERR_STATE. */
int clone_dir_clear(const struct clone_dir *d, enum clone_old old, struct errmsg *m) NODISCARD;

/* Bytes on disk below a directory, without files at its top whose name begins with `skip` (binary
 * logs) and without ROOT. */
int clone_dir_size(const struct clone_dir *d, const char *skip, uint64_t *ret_bytes) NODISCARD;
/* Bytes that an ordinary process may still write there. */
int clone_dir_room(const struct clone_dir *d, uint64_t *ret_bytes) NODISCARD;

#endif
