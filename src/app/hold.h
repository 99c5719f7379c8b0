/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `tandem hold`: the kernel's lease without an end, before the agent of this host starts for the
 * first time. A new agent shuts the door of its server until it leads; on the host where another
 * stack has its writer that would stop the writes for as long as the first election takes. With the
 * lease held they go on until the agents have a leader, who takes it back as he does after a pause.
 *
 * It proves nothing and protects nothing: until then this host is as safe as the stack that made it
 * the writer, no more.
 */
#ifndef TANDEM_APP_HOLD_H
#define TANDEM_APP_HOLD_H

#include <stdbool.h>

#include "util/err.h"
#include "wire/config.h"

/* off: tables and lease are removed, as if no agent had ever run here. ERR_PERM, ERR_IO, and
 * ERR_STATE with a sentence: this is not the writer's host. */
int hold_set(const struct cluster_config *cfg, unsigned self, bool off, struct errmsg *m) NODISCARD;

#endif
