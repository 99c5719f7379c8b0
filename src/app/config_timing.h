/* SPDX-License-Identifier: Apache-2.0 */
/* The arbiter's timing as the core wants it, from the cluster file. */
#ifndef TANDEM_APP_CONFIG_TIMING_H
#define TANDEM_APP_CONFIG_TIMING_H

#include "core/arbiter_timing.h"
#include "util/err.h"
#include "wire/config.h"

struct arbiter_timing config_timing(const struct cluster_config *c);
/* 0, with margin and slack as a sentence; or ERR_INVAL with what is wrong. */
int config_timing_check(const struct cluster_config *c, struct errmsg *ret_sentence);

#endif
