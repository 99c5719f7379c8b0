/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small world around real agents: every host has its own clock, a raft disk, an agent with the
 * real core and the real arbiter (src/arbiter over libraft), the kernel's lease and address, and a
 * model of a MySQL server with GTID sets, semi-sync and crash recovery. Between them a network with
 * connections, latency, loss and cuts; clients write through the VIP or to a node's own address.
 * Deterministic: same calls, same run.
 *
 * All times here are true time, which no host knows: their clocks began at different times and are
 * up to 500 ppm too fast or too slow. Agents, disks and network live by the microsecond, servers
 * and clients by the millisecond.
 *
 * Times of the arbiter that the configuration leaves at 0 (candidate_delta, tick, rtt) are those of
 * profile `lan`, in proportion to election_timeout.
 *
 * The cluster file is the caller's: he may change it at any time but for nodes, roles and voters,
 * on all hosts at once. An agent reads it when it starts, so old and new may work side by side.
 *
 * Checked after every millisecond: world_violation().
 */
#ifndef TANDEM_SIM_WORLD_H
#define TANDEM_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "wire/gtid.h"

/* What goes wrong by itself, per mille. */
struct world_faults {
    unsigned loss;     /* of a frame of the agents: it and its connection are gone */
    unsigned transfer; /* of a TimeoutNow: it is lost */
    unsigned start;    /* of a mysqld's start: it dies in it, before or after recovery */
    /* What the adapter and the rewind are trusted with, taken away: for the tests of the checkers.
     */
    bool no_lock;    /* an action session does not wait for the end of older ones */
    bool no_salvage; /* the tail is cut without a copy */
};

struct world;

/* All servers are of one family (enum server_flavour), which the seed draws: MySQL if it is odd. */
struct world *world_new(const struct cluster_config *cfg, uint64_t seed);
struct world *world_new_of(const struct cluster_config *cfg, uint64_t seed, int flavour);
bool world_is_mariadb(const struct world *w);
void world_free(struct world *w);

void world_run_ms(struct world *w, unsigned ms);
/* Runs until the condition holds; false if it does not within the limit. */
bool world_until(struct world *w, bool (*cond)(struct world *w, void *data), void *data,
                 unsigned limit_ms);

void world_set_faults(struct world *w, const struct world_faults *faults);
void world_kill_server(struct world *w, unsigned node);
void world_hang_server(struct world *w, unsigned node, bool hang);
void world_term_server(struct world *w, unsigned node);
/* Started by hand, behind the agent's back. */
void world_start_server(struct world *w, unsigned node);
void world_kill_agent(struct world *w, unsigned node);
/* Killed after so many effects, between two of one step too. */
void world_crash_agent(struct world *w, unsigned node, unsigned effects);
void world_start_agent(struct world *w, unsigned node);
void world_quit_agent(struct world *w, unsigned node);
/* Stopped: it does nothing, what it is sent waits, its clock and its timers go on. */
void world_hang_agent(struct world *w, unsigned node, bool hang);
/* The same for so long. */
void world_stall_agent(struct world *w, unsigned node, unsigned ms);
/* Its host: agent, server, address and tables are gone, what the raft disk had not synced too, and
 * nothing says goodbye. world_start_agent() boots it; its clock begins anew then. */
void world_power_cut(struct world *w, unsigned node);
/* Of the host's clock, from now on. Beyond 500 nobody promises that leases do not overlap. */
void world_clock_rate(struct world *w, unsigned node, int ppm);
/* Somebody, or NTP, sets the host's wall clock: so much further, back if less than 0. No monotonic
 * clock jumps. */
void world_clock_jump(struct world *w, unsigned node, int64_t ms);
/* The raft disk: each write takes so much longer (0 = as ever), fails, finds no space. */
void world_disk_slow(struct world *w, unsigned node, unsigned ms);
void world_disk_fail(struct world *w, unsigned node, bool fails);
void world_disk_full(struct world *w, unsigned node, bool is_full);
/* All packets: of both ways, of one. */
void world_cut(struct world *w, unsigned a, unsigned b, bool cut);
void world_cut_all(struct world *w, unsigned node, bool cut);
void world_cut_way(struct world *w, unsigned from, unsigned to, bool cut);
/* The servers' port only, both ways. */
void world_cut_sql(struct world *w, unsigned a, unsigned b, bool cut);
/* The agents' port only, one way: the arbiter's frames, requests and reports. */
void world_cut_raft(struct world *w, unsigned from, unsigned to, bool cut);
/* Of a pair, one way: the advertisements only. */
void world_cut_adverts(struct world *w, unsigned from, unsigned to, bool cut);
/* What one agent sends to another needs so much longer, less than 2 s; 0 = as ever. */
void world_slow_agents(struct world *w, unsigned from, unsigned to, unsigned ms);
/* The next TimeoutNow on that way is held back, and what is sent behind it passes it: more than the
 * transport does. It arrives when it is released; false if none was held. */
void world_hold_transfer(struct world *w, unsigned from, unsigned to);
bool world_release_transfer(struct world *w);
/* Its IO thread receives so many transactions in a millisecond, 0: as many as there are. */
void world_slow_line(struct world *w, unsigned node, unsigned per_ms);
/* A job's look at the server takes so long: the sets are what they were when it began, what is
 * connected and waits is what it is when it ends. */
void world_slow_look(struct world *w, unsigned node, unsigned ms);
/* A semi-sync replica that is no node of the cluster follows this server. */
void world_stranger(struct world *w, unsigned node, bool on);
/* The SQL thread lags behind what is received; the IO thread behind its source. */
void world_slow(struct world *w, unsigned node, bool slow);
void world_slow_receiver(struct world *w, unsigned node, bool slow);
/* By hand: replication threads, semi-sync replica side, read_only. */
void world_threads(struct world *w, unsigned node, bool io, bool sql);
void world_replica_side(struct world *w, unsigned node, bool on);
void world_read_only(struct world *w, unsigned node, bool on);
/* On the writer: what waits is released, and until the core has set it again outside S2. */
void world_source_side(struct world *w, unsigned node, bool on);
/* KILL of a session that waits for an acknowledgement. */
void world_kill_session(struct world *w, unsigned node);
void world_remove_vip(struct world *w, unsigned node);
void world_slow_start(struct world *w, unsigned node, bool slow);
/* A value of the configuration file, from the next start on; off by default. */
void world_relay_log_recovery(struct world *w, unsigned node, bool on);
/* What its server says of itself from now on; whoever follows the same source gets along with it.
 */
void world_server_id(struct world *w, unsigned node, uint32_t id);
/* Of the server, at once; what a hand commits while it is off is in no set. */
void world_gtid(struct world *w, unsigned node, bool on);
/* The disk of mysqld: syncs of binlog and relay log take so long (0: no time); without space it
 * waits in every write, and does not start. */
void world_data_disk(struct world *w, unsigned node, unsigned sync_ms, bool is_full);
void world_damage(struct world *w, unsigned node);
/* A long transaction: the server cannot be made read-only. */
void world_busy(struct world *w, unsigned node, bool busy);
/* A transaction made by hand on a closed server. */
void world_errant(struct world *w, unsigned node);
/* Somebody changes rows there without a binlog: what it applies next finds others than it should.
 */
void world_differ(struct world *w, unsigned node);
/* A session of its own holds rows that the applier needs. */
void world_lock(struct world *w, unsigned node, bool lock);
/* MySQL: one made by hand under a number of another server (SET gtid_next), as people do who want
 * that server's own transaction of that number skipped. */
void world_commit_as(struct world *w, unsigned node, unsigned server, uint64_t number);
/* The highest number of that server's own transactions in a node's binlog. */
uint64_t world_last_number(const struct world *w, unsigned node, unsigned server);
void world_write(struct world *w, bool on);       /* clients through the VIP */
void world_write_local(struct world *w, bool on); /* clients of the nodes' own addresses */
void world_command(struct world *w, unsigned node, const struct command *m);
/* Hands an event to a node as if it had come from outside; the world takes it over. */
void world_inject(struct world *w, unsigned node, const struct event *ev);

const struct core *world_core(const struct world *w, unsigned node);
/* The node that acknowledges clients of the VIP now; NODE_NONE. */
unsigned world_writer(const struct world *w);
/* End of the lease that its arbiter told last, in true time; 0 = none. */
int64_t world_lease_end_us(const struct world *w, unsigned node);
/* Who was told to have won the newest term, and not yet to have lost it; NODE_NONE. */
unsigned world_leader(const struct world *w);
unsigned world_holders(const struct world *w); /* nodes whose VIP and kernel lease are alive */
unsigned world_lost(const struct world *w, unsigned node); /* acknowledged commits missing on it */
uint64_t world_acks(const struct world *w);
int64_t world_last_ack_us(const struct world *w);
int64_t world_now_us(const struct world *w);
bool world_identical(const struct world *w); /* all live servers hold the same */
/* It has received what the writer of the record lacks. */
bool world_has_extra(const struct world *w, unsigned node);
bool world_attached(const struct world *w, unsigned node, unsigned source);
bool world_server_is_up(const struct world *w, unsigned node);
bool world_server_runs(const struct world *w, unsigned node); /* the process is there */
bool world_read_only_is(const struct world *w, unsigned node);
bool world_agent_is_up(const struct world *w, unsigned node);
bool world_is_dark(const struct world *w, unsigned node);       /* without power */
bool world_agent_goes_on(const struct world *w, unsigned node); /* it runs and does not stand */
bool world_hosts_reach(const struct world *w, unsigned a, unsigned b); /* packets, both ways */
/* Of a pair: one of its ways between the two is cut. */
bool world_agents_are_cut(const struct world *w);
bool world_adverts_are_cut(const struct world *w);
bool world_pair_is_whole(const struct world *w); /* nothing between the two is cut */
/* Who of a pair has the record of the later epoch on its disk; NODE_NONE if they have the same.
 * forced: only if loss was accepted for that epoch. */
unsigned world_pair_newer(const struct world *w, bool forced);
/* As committed: each entry as soon as the first node has applied it. */
const struct record *world_record(const struct world *w);
/* NULL, or the first broken promise: two open servers (S1), an acknowledged commit missing on a
 * later writer (S2), two holders of the VIP, a diverged replica that stays attached (S7); of the
 * arbiter: two nodes apply different entries at one index or have different snapshots of it, two
 * lead one term, one is elected while the lease of another lasts. */
const char *world_violation(const struct world *w);
/* What keeps the cluster from being whole, NULL if nothing does. */
const char *world_unsettled(const struct world *w);
/* From here on nothing goes wrong any more: not whole after the bound is a breach of S8. Ends when
 * it is whole, or by world_thaw. */
void world_freeze(struct world *w, unsigned bound_ms);
void world_thaw(struct world *w);
bool world_split(const struct world *w); /* the same, as a question */
const char *world_last_reply(const struct world *w);
void world_dump(const struct world *w); /* the story so far, to stderr */
/* Each line of the story as it is told; NULL ends that. */
void world_on_story(struct world *w, void (*told)(void *data, const char *line), void *data);
/* After each effect of a core was carried out, between two of one step too: anything may be done to
 * the world from there but to run it. */
void world_on_effect(struct world *w,
                     void (*carried_out)(void *data, unsigned node, enum effect_kind kind),
                     void *data);

#endif
