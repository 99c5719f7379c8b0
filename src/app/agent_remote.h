/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Servers on hosts without an agent: the replicas of a pair (arbiter vrrp). For each of them this
 * agent runs what their own would: a core, and the MySQL adapter over the network. The main core
 * sees a node like any other; requests, answers and reports pass between the two in memory.
 *
 * Both hosts of the pair do so, and both look. Only the one that leads changes anything (S10); the
 * work of a process or of files cannot be done from afar and is refused with that reason.
 */
#ifndef TANDEM_APP_AGENT_REMOTE_H
#define TANDEM_APP_AGENT_REMOTE_H

#include "app/agent.h"

/* Nothing to do with arbiter raft. */
int agent_remotes_start(struct agent *a, struct errmsg *m) NODISCARD;
/* What the arbiter tells this node's core, they are told as well. Copied. */
void agent_remotes_tell(struct agent *a, const struct event *ev);
/* True if `node` is one of them, and the request or report was handed over. */
bool agent_remote_request(struct agent *a, unsigned node, const struct request *r);
void agent_remotes_report(struct agent *a, const struct report *r, uint32_t mask);
void agent_remotes_stop(struct agent *a);
void agent_remotes_free(struct agent *a);

#endif
