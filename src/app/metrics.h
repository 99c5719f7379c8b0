/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a core and its agent tell Prometheus (text format 0.0.4). Reads, decides nothing. The rows
 * are in app/metrics.def.
 */
#ifndef TANDEM_APP_METRICS_H
#define TANDEM_APP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "wire/vrrp_packet.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* What the core does not know. Counted since the agent started. */
struct metrics_counters {
    int64_t started_wall_ms;
    int64_t probe_us; /* the last one took so long */
    int64_t probe_max_us;
    uint64_t probes[PROBE_COUNT];
    uint64_t elections;
    uint64_t promotions;
    uint64_t stalls;
    uint64_t vrrp_rejects[VRRP_REJECT_COUNT];
    int certificate_days;
    bool certificate_known;
};

struct metric_row {
    const char *type;
    const char *name;
    const char *labels; /* names, separated by blanks */
    const char *help;
};

/* By position, NULL behind the last. */
const struct metric_row *metric_row(unsigned i);
/* The page; free() it. NULL when out of memory. */
char *metrics_text(const struct core *core, const struct metrics_counters *counters,
                   size_t *ret_length);

#endif
