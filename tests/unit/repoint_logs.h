/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TANDEM_TESTS_UNIT_REPOINT_LOGS_H
#define TANDEM_TESTS_UNIT_REPOINT_LOGS_H

struct recorded_row {
    unsigned file;
    struct repoint_event event;
};

struct recorded_case {
    const char *name;
    uint32_t own_id;
    struct log_place replica, source;
    const struct recorded_row *relay, *binlog;
    size_t behind, compared;
    unsigned file;
    uint64_t position;
};

static const struct recorded_case recorded[1];

#endif
