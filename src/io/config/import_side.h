/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to io/config: one node's keepalived.conf, gathered into values, each with its statement.
 * Statements that are no value get their fate here (import_rules.def); those that are get it by
 * whoever uses the value.
 */
#ifndef TANDEM_IO_CONFIG_IMPORT_SIDE_H
#define TANDEM_IO_CONFIG_IMPORT_SIDE_H

#include <stdio.h>

#include "io/config/keepalived_tree.h"
#include "wire/limits.h"

#define IMPORT_INSTANCES_MAX 16

enum import_value {
    IMPORT_NONE,
    IMPORT_NAME,
    IMPORT_VERSION_ALL, /* global_defs; IMPORT_VERSION goes before it */
    IMPORT_VERSION,
    IMPORT_DEVICE,
    IMPORT_PRIORITY,
    IMPORT_INTERVAL,
    IMPORT_ADDRESS,
    IMPORT_NOPREEMPT,
    IMPORT_PREEMPT_DELAY,
    IMPORT_NOTIFY,
    IMPORT_NOTIFY_MASTER,
    IMPORT_NOTIFY_BACKUP,
    IMPORT_NOTIFY_FAULT,
    IMPORT_NOTIFY_STOP,
    IMPORT_VMAC,
    IMPORT_AUTH_TYPE,
    IMPORT_PASSWORD,
    IMPORT_UNICAST,
    IMPORT_VALUES
};

struct import_vip {
    struct keepalived_statement *s;
    const struct keepalived_statement *instance;
    const char *address; /* ADDRESS[/PREFIX] as written */
    const char *device;  /* its own or its instance's; "": neither is said */
    const char *label;   /* NULL: none */
    bool excluded;       /* Keepalived holds it without advertising it */
};

struct import_side {
    const char *path;
    struct keepalived_statement *top;
    struct keepalived_statement *instance; /* the database's, see import_router.h */
    struct keepalived_statement *instances[IMPORT_INSTANCES_MAX]; /* those that are taken */
    unsigned n_instances;
    struct keepalived_statement *group;                 /* the sync group of all; NULL: none */
    struct keepalived_statement *values[IMPORT_VALUES]; /* NULL: not set */
    struct import_vip vips[VIPS_MAX];
    unsigned n_vips;
    FILE *err;
    unsigned *n_errors;
};

/* "PATH:LINE: error: sentence" on side->err. s may be NULL. */
void import_error(const struct import_side *side, const struct keepalived_statement *s,
                  const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same as a note: of what the file does not say, or what several statements come to. */
void import_note(const struct import_side *side, const struct keepalived_statement *s,
                 const char *fmt, ...) PRINTF_LIKE(3, 4);
/* wanted: the name of the instance to take, NULL: the only one, or all of the only sync group. */
void import_gather(struct import_side *side, const char *wanted);
/* Second word of a value, `def` if it is not set. */
const char *import_text(const struct import_side *side, enum import_value value, const char *def);

#endif
