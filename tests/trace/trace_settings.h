/* SPDX-License-Identifier: Apache-2.0 */
/* Times and policies that the clusters of trace tests share; three nodes vote. */
#ifndef TANDEM_TESTS_TRACE_TRACE_SETTINGS_H
#define TANDEM_TESTS_TRACE_TRACE_SETTINGS_H

#include "wire/config.h"

static inline void trace_settings(struct cluster_config *cfg)
{
    cfg->arbiter = (struct config_arbiter){
        .election_timeout_ms = 500, .heartbeat_ms = 50, .margin_ms = 60, .voters = 7};
    cfg->policy = (struct config_policy){
        .preempt_delay_ms = 2000,
        .restart_attempts = 3,
        .restart_backoff_max_ms = 10000,
        .probe_interval_ms = 100,
        .probe_timeout_ms = 200,
        .probe_fall = 2,
        .probe_rise = 2,
        .beat_interval_ms = 1000,
        .stall_after_ms = 1000,
        .shrink_after_ms = 500,
        .grow_lag_trx_max = 1000,
        .fence_kill_after_ms = 30000,
        .level_timeout_ms = 200,
        .drain_timeout_ms = 2000,
        .close_timeout_ms = 1000,
        .switchover_timeout_ms = 3000,
        .action_timeout_ms = 2000,
        .start_timeout_ms = 10000,
        .vip_lifetime_ms = 3000,
    };
    cfg->n_vips = 1;
}

#endif
