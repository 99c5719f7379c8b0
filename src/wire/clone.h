/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copying of a whole server's data from one node to another: how far it has come, as the agents
 * tell each other, and the texts that it is made of. Values and pure functions; nothing is copied
 * here (io/clone, app/copy_child.c) and nothing decided (core/reclone.c).
 */
#ifndef TANDEM_WIRE_CLONE_H
#define TANDEM_WIRE_CLONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/codec.h"
#include "util/err.h"
#include "wire/limits.h"

/* Of the data beside a server's data directory; GIVING is a donor's. Ascending but for FAILED. */
enum clone_state {
    CLONE_NONE,
    CLONE_GIVING,    /* waits for the recipient, or sends */
    CLONE_RECEIVING, /* the server is not touched, whatever happens */
    CLONE_PREPARING, /* received; made consistent */
    CLONE_READY,     /* a whole copy lies beside the data directory */
    CLONE_PLACED,    /* it is the data directory, the old one lies beside it */
    CLONE_ADOPTED,   /* its server counts from the copy's position */
    CLONE_FAILED,    /* what had been received is gone, the data directory is as it was */
    CLONE_STATE_COUNT
};

struct clone_report {
    int state;                    /* enum clone_state */
    uint8_t peer;                 /* the other node; NODE_NONE if there is none */
    uint64_t bytes;               /* copied so far */
    uint64_t bytes_total;         /* estimate; 0 = not known */
    uint32_t rate_kib;            /* per second, of the last seconds */
    char position[GTID_TEXT_MAX]; /* MariaDB, from READY on: the last GTID of each domain in it */
    char error[DETAIL_TEXT_MAX];  /* FAILED: why */
};

void clone_report_init(struct clone_report *r);
/* Decoding checks the node's number; ERR_FORMAT. */
void clone_report_codec(struct codec *c, struct clone_report *r);
const char *clone_state_text(int state);
/* Seconds until everything is copied, at the present rate; UINT32_MAX if that is not known. */
uint32_t clone_left_s(const struct clone_report *r);

/*
 * One line that a copying process says, without its end, taken into *r:
 *   giving TOTAL | progress BYTES TOTAL | preparing | ready [POSITION] | placed | none | failed WHY
 * False: not understood, nothing changed.
 */
bool clone_line(struct clone_report *r, const char *line);

/* The position in the info file of mariadb-backup ("FILE TAB OFFSET TAB GTIDs"); ERR_FORMAT,
 * ERR_FULL. */
int clone_info_position(const char *text, char *ret_position, size_t size) NODISCARD;

/*
 * gtid_binlog_state of a MariaDB server made from a copy with `position`, of the donor's (or its
 * source's) state `later`, read at the copy's end or after it. Entries of one server behind the
 * position stay; the position's own end each domain, because the server takes the last one of a
 * domain for its newest. ERR_STALE: another server has written behind the position, so that its
 * last transaction inside of it is not known (the writer has changed meanwhile); ERR_FORMAT,
 * ERR_FULL.
 */
int clone_binlog_state(const char *later, const char *position, char *ret_text,
                       size_t size) NODISCARD;

#endif
