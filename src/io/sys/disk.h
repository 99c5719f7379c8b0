/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches the file system of one directory: is there room, can it be written to, does a write end.
 * It asks statvfs(3), and writes one byte to a file without a name (O_TMPFILE) and waits until it
 * is on the disk, on the thread pool: a dead disk or a lost mount makes both hang, a stalled one
 * only the write. One question at a time; nothing is left in the directory. A file system without
 * O_TMPFILE is judged by statvfs alone.
 *
 * Failure modes: no such directory -> ERROR; no answer in time -> SILENT, and the next question is
 * asked only after that answer.
 *
 * Log id: disk-state.
 */
#ifndef TANDEM_IO_SYS_DISK_H
#define TANDEM_IO_SYS_DISK_H

#include <stdint.h>
#include <uv.h>

#include "util/err.h"
#include "util/log.h"

enum disk_state {
    DISK_OK,
    DISK_FULL,      /* less room for ordinary users than the limit */
    DISK_READ_ONLY, /* also: the kernel made it so after an error */
    DISK_SILENT,    /* statvfs or a write does not come back */
    DISK_ERROR,     /* it cannot be asked: no such directory, I/O error */
    DISK_STATE_COUNT
};

struct disk;

/* Copied by disk_open. */
struct disk_config {
    uv_loop_t *loop;
    struct log log;
    const char *directory;
    uint32_t free_min_mb;
    uint32_t interval_ms; /* from answer to question */
    uint32_t timeout_ms;
    /* At the first answer and whenever the state changes. */
    void (*on_state)(void *data, enum disk_state state);
    void *data;
};

/* Asks at once; the answer comes from the loop. ERR_NOMEM, ERR_IO. */
int disk_open(const struct disk_config *config, struct errmsg *msg,
              struct disk **ret_disk) NODISCARD;
/* Last known state; DISK_OK before the first answer. */
enum disk_state disk_state(const struct disk *disk);
/* done() comes from the loop, `disk` is freed then. A question that hangs in the kernel holds that
 * back: nobody can take it off the thread. */
void disk_close(struct disk *disk, void (*done)(void *data), void *data);

const char *disk_state_text(enum disk_state state);
/* What statvfs said, judged, and what the errno of a write means. For the tests. */
enum disk_state disk_judge(uint64_t free_bytes, unsigned long flags, uint32_t free_min_mb);
enum disk_state disk_judge_write(int write_errno);

#endif
