/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the cluster file in a scenario: the same names, words, bounds and defaults, from the
 * same table (io/config/config.def), as far as they mean something without hosts: the blocks
 * `arbiter` and `policy`, durations, counts, yes/no and `durability`. Times are milliseconds.
 */
#ifndef TANDEM_SIM_SETTING_H
#define TANDEM_SIM_SETTING_H

#include <stdint.h>

#include "util/err.h"
#include "wire/config.h"

struct setting {
    unsigned option;
    int64_t value;
};

/* What the cluster file would mean that sets nothing: profile `lan` or `fast`. Nodes are left
 * alone. */
void settings_default(struct cluster_config *cfg, int profile);
/* 0; ERR_NOTFOUND (msg lists what there is); ERR_INVAL with what is allowed. block: "arbiter",
 * "policy". */
int setting_parse(const char *block, const char *name, const char *value,
                  struct setting *ret_setting, struct errmsg *msg) NODISCARD;
/* election_timeout takes heartbeat, candidate_delta and margin with it, in proportion. */
void setting_apply(struct cluster_config *cfg, const struct setting *s);
/* The value of the option in cfg. */
int64_t setting_get(const struct cluster_config *cfg, unsigned option);
/* "policy preempt = false". */
void setting_format(const struct setting *s, char *buf, unsigned size);
/* Options are 0 .. setting_count() - 1; false: not one for scenarios. */
unsigned setting_count(void);
bool setting_is_usable(unsigned option);
/* By its name in the block `policy` or `arbiter`; it must exist. */
unsigned setting_named(const char *name);
/* 0, or ERR_INVAL: values that `tandem config check` would refuse together. */
int settings_check(const struct cluster_config *cfg, struct errmsg *msg) NODISCARD;

#endif
