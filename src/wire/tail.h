/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tail of a returned node: the transactions that it holds and the writer lacks. Words and bits
 * only; the class is judged by core/rejoin.h, the evidence is found in the node's binlogs by
 * io/store/rewind_job.h.
 */
#ifndef TANDEM_WIRE_TAIL_H
#define TANDEM_WIRE_TAIL_H

#include <stdint.h>

/* Was anybody promised these transactions? */
enum tail_class {
    TAIL_NOT_JUDGED,
    TAIL_NEVER,    /* proven: nobody was */
    TAIL_POSSIBLE, /* somebody may have been */
    TAIL_UNKNOWN,  /* nothing is known of how they came about */
    TAIL_CLASS_COUNT
};

/* What the binlogs themselves say of the tail. */
enum tail_evidence {
    TAIL_COMPLETE = 1u << 0, /* every transaction that was asked for was found */
    TAIL_SUFFIX = 1u << 1,   /* no other transaction stands behind the first of them */
    TAIL_CRASHED = 1u << 2, /* the run of mysqld that wrote them ended without closing its binlog */
    TAIL_ROWS = 1u << 3,    /* all are changes of rows of transactional tables */
    TAIL_RELEASED = 1u << 4, /* not of the binlogs: its agent knows of commits that were released
                                there (core/release.h) */
    TAIL_EVIDENCE_ALL = (1u << 5) - 1
};

/* "never-acknowledged", for manifests and JSON. */
const char *tail_class_id(int tail_class);
/* The same for people. */
const char *tail_class_text(int tail_class);

#endif
