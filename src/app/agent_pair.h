/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vrrp arbiter in the agent: arbiter/pair_node.h with sockets of io/vrrp, a file in state_dir,
 * the agents' connection, questions to the arbitration addresses and to the other host's server.
 */
#ifndef TANDEM_APP_AGENT_PAIR_H
#define TANDEM_APP_AGENT_PAIR_H

#include "app/agent.h"
#include "wire/vrrp_packet.h"

/* ERR_FORMAT, ERR_VERSION: the file of an earlier agent cannot be read; the message says what to
 * do.
 */
int agent_start_pair(struct agent *a, struct errmsg *m) NODISCARD;
/* None is running: nothing happens. */
void agent_pair_stop(struct agent *a);
void agent_pair_free(struct agent *a);

void agent_pair_effect(struct agent *a, const struct effect *e);
void agent_pair_frame(struct agent *a, const uint8_t *payload, size_t len);
void agent_pair_peer(struct agent *a, bool up);
void agent_pair_link(struct agent *a, bool up);
/* Advertisements refused since the agent's start, by reason; none with arbiter raft. */
void agent_pair_rejects(const struct agent *a, uint64_t ret_counts[VRRP_REJECT_COUNT]);

/* "vrrp4.100" or "vrrp6.100": the device with the MAC of the address's virtual router. */
void agent_macvlan_name(const struct cluster_config *c, unsigned vip,
                        char ret_name[NET_DEVICE_MAX]);
/* status_pair_stranger(), of what this host hears. */
void agent_pair_stranger(const struct agent *a, char *ret_text, size_t size);
/* What is heard and said: the VRRP state, and per router its counters (docs/reference/status.md).
 */
json_t *agent_pair_json(const struct agent *a);

#endif
