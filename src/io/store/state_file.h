/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small durable file of named values: the facts that must survive the agent's death ("highest
 * term seen", "server was started since"). Format: magic, version, count, (key, value)*, CRC32;
 * written to a temporary file, fsync, rename, fsync of the directory: a reader sees the old or the
 * new content.
 *
 * struct state_file is a plain value in memory; the caller owns it. Bounds: STATE_FILE_ENTRIES_MAX
 * pairs. Keys are kebab-case words of this program.
 *
 * state_file_load() blocks for one small read (agent start). Writing waits for the disk, so on the
 * loop only state_save_start() is used: it copies the values, works on a pool thread, and calls
 * back once. A save in flight cannot be aborted; another start on the same state_save is ERR_BUSY
 * (start it again with the newest values from the callback).
 */
#ifndef TANDEM_IO_STORE_STATE_FILE_H
#define TANDEM_IO_STORE_STATE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "util/err.h"

#define STATE_FILE_ENTRIES_MAX 32
#define STATE_FILE_KEY_MAX 32
#define STATE_FILE_VALUE_MAX 256
#define STATE_FILE_PATH_MAX 512

struct state_file_entry {
    char key[STATE_FILE_KEY_MAX];
    char value[STATE_FILE_VALUE_MAX];
};

struct state_file {
    unsigned count;
    struct state_file_entry entries[STATE_FILE_ENTRIES_MAX];
};

void state_file_init(struct state_file *f);
/* NULL if there is no such key. Points into f. */
const char *state_file_get(const struct state_file *f, const char *key);
/* ERR_NOTFOUND, or ERR_FORMAT if the value is not a decimal number. */
int state_file_get_u64(const struct state_file *f, const char *key, uint64_t *ret_value) NODISCARD;
/* Adds or replaces. ERR_RANGE (key or value too long or empty key), ERR_FULL. */
int state_file_set(struct state_file *f, const char *key, const char *value) NODISCARD;
int state_file_set_u64(struct state_file *f, const char *key, uint64_t value) NODISCARD;
void state_file_remove(struct state_file *f, const char *key);

/* ERR_NOTFOUND (no file), ERR_FORMAT (damaged), ERR_VERSION (newer program), ERR_IO. A damaged file
 * must be treated as "anything may have happened", never as an empty one. */
int state_file_load(const char *path, struct state_file *ret_file, struct errmsg *m) NODISCARD;
/* Blocks until it is on the disk. ERR_IO, ERR_NOSPC, ERR_PERM. */
int state_file_write(const char *path, const struct state_file *f, struct errmsg *m) NODISCARD;

/* The same on a pool thread. Embedded by the caller; must stay until the callback. */
struct state_save {
    uv_work_t work;
    bool busy;
    char path[STATE_FILE_PATH_MAX];
    struct state_file file;
    int err;
    struct errmsg errmsg;
    void (*done)(void *data, int err, const char *detail);
    void *data;
};

/* done(data, 0 or ERR_*, detail) is called exactly once, on the loop. ERR_BUSY: not started. */
int state_save_start(struct state_save *s, uv_loop_t *loop, const char *path,
                     const struct state_file *f,
                     void (*done)(void *data, int err, const char *detail), void *data) NODISCARD;

#endif
