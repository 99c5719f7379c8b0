/* SPDX-License-Identifier: Apache-2.0 */
/* What may be done to the world from outside. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim/world_private.h"

#define BY_HAND_WAIT_US 1000000 /* then whoever typed it gives up */

void world_set_faults(struct world *w, const struct world_faults *faults)
{
    w->faults = *faults;
}

void world_kill_server(struct world *w, unsigned node)
{
    sim_server_die(w, node, false);
}

void world_term_server(struct world *w, unsigned node)
{
    sim_server_die(w, node, true);
}

void world_start_server(struct world *w, unsigned node)
{
    sim_server_start(w, node, /* by_agent= */ false);
}

void world_hang_server(struct world *w, unsigned node, bool hang)
{
    w->host[node].server.hung = hang && w->host[node].server.up;
    sim_story(w, "%s: mysqld %s", sim_name(w, node), hang ? "hangs" : "goes on");
}

void world_crash_agent(struct world *w, unsigned node, unsigned effects)
{
    w->host[node].crash_in = effects;
}

void world_quit_agent(struct world *w, unsigned node)
{
    if (w->host[node].agent)
        sim_post(w, node, sim_event(EVENT_QUIT), 0);
    sim_story(w, "%s: agent is told to quit", sim_name(w, node));
}

void world_hang_agent(struct world *w, unsigned node, bool hang)
{
    sim_timer_stop(&w->timers, &w->host[node].stall_end);
    sim_agent_stand(w, node, hang);
    sim_story(w, "%s: agent %s", sim_name(w, node), hang ? "hangs" : "goes on");
}

void world_cut(struct world *w, unsigned a, unsigned b, bool cut)
{
    if (w->cut[a][b] == cut && w->cut[b][a] == cut)
        return;
    w->cut[a][b] = w->cut[b][a] = cut;
    sim_network_changed(w->network);
    sim_story(w, "network: %s and %s %s", sim_name(w, a), sim_name(w, b), cut ? "cut" : "healed");
}

void world_cut_all(struct world *w, unsigned node, bool cut)
{
    for (unsigned i = 0; i < w->cfg->n_nodes; i++) {
        if (i != node)
            world_cut(w, node, i, cut);
    }
}

void world_cut_way(struct world *w, unsigned from, unsigned to, bool cut)
{
    w->cut[from][to] = cut;
    sim_network_changed(w->network);
    sim_story(w, "network: %s to %s %s", sim_name(w, from), sim_name(w, to),
              cut ? "cut" : "healed");
}

void world_cut_sql(struct world *w, unsigned a, unsigned b, bool cut)
{
    w->cut_sql[a][b] = w->cut_sql[b][a] = cut;
    sim_story(w, "network: replication of %s and %s %s", sim_name(w, a), sim_name(w, b),
              cut ? "cut" : "healed");
}

void world_cut_raft(struct world *w, unsigned from, unsigned to, bool cut)
{
    w->cut_raft[from][to] = cut;
    sim_network_changed(w->network);
    sim_story(w, "network: agents, %s to %s %s", sim_name(w, from), sim_name(w, to),
              cut ? "cut" : "healed");
}

void world_cut_adverts(struct world *w, unsigned from, unsigned to, bool cut)
{
    if (w->cut_adverts[from][to] == cut)
        return;
    w->cut_adverts[from][to] = cut;
    sim_story(w, "network: advertisements, %s to %s %s", sim_name(w, from), sim_name(w, to),
              cut ? "cut" : "healed");
}

void world_slow_agents(struct world *w, unsigned from, unsigned to, unsigned ms)
{
    w->is_slow[from][to] = ms > 0;
    if (sim_network_slow(w->network, from, to, (int64_t)ms * 1000))
        sim_story(w, "network: agents, %s to %s need %u ms more", sim_name(w, from),
                  sim_name(w, to), ms);
}

void world_hold_transfer(struct world *w, unsigned from, unsigned to)
{
    w->hold[from][to] = true;
}

bool world_release_transfer(struct world *w)
{
    struct sim_frame *f = w->held;
    if (f == NULL)
        return false;
    w->held = NULL;
    sim_story(w, "network: a TimeoutNow of %s for %s arrives late", sim_name(w, f->from),
              sim_name(w, f->to));
    if (w->host[f->to].process != NULL)
        sim_agent_frame(w->host[f->to].process, f);
    else
        sim_frame_free(f);
    return true;
}

void world_stall_agent(struct world *w, unsigned node, unsigned ms)
{
    if (!w->host[node].agent)
        return;
    sim_agent_stand(w, node, true);
    sim_timer_set(&w->timers, &w->host[node].stall_end, w->now_us + (int64_t)ms * 1000);
    sim_story(w, "%s: agent stands still for %u ms", sim_name(w, node), ms);
}

void world_clock_rate(struct world *w, unsigned node, int ppm)
{
    sim_clock_bend(&w->host[node].clock, w->now_us, ppm);
    sim_kernel_clock_bent(w, node);
    if (ppm > ARBITER_DRIFT_PPM / 2 || ppm < -ARBITER_DRIFT_PPM / 2)
        w->clocks_are_wild = true;
    sim_story(w, "%s: its clock is %d ppm too fast", sim_name(w, node), ppm);
}

void world_disk_slow(struct world *w, unsigned node, unsigned ms)
{
    sim_disk_slow(w->host[node].disk, (int64_t)ms * 1000);
    sim_story(w, "%s: each write of the raft disk takes %u ms more", sim_name(w, node), ms);
}

void world_disk_fail(struct world *w, unsigned node, bool fails)
{
    sim_disk_fail(w->host[node].disk, fails);
    sim_story(w, "%s: the raft disk %s", sim_name(w, node), fails ? "fails" : "works");
}

void world_disk_full(struct world *w, unsigned node, bool is_full)
{
    sim_disk_full(w->host[node].disk, is_full);
    sim_story(w, "%s: the raft disk %s", sim_name(w, node), is_full ? "is full" : "has space");
}

void world_power_cut(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    sim_story(w, "%s: power cut", sim_name(w, node));
    h->dark = true;
    sim_agent_kill(w, node, /* power= */ true);
    sim_server_power_off(w, node);
    h->vip = false;
    h->lease_until_us = h->lease_local_us = h->raft_lease_local_us = h->shut_until_us = 0;
    h->blocked = 0;
    sim_network_stop(w->network, node, /* host_is_dark= */ true);
}

void world_slow(struct world *w, unsigned node, bool slow)
{
    w->host[node].server.slow = slow;
    sim_story(w, "%s: SQL thread is %s", sim_name(w, node), slow ? "slow" : "fast");
}

void world_threads(struct world *w, unsigned node, bool io, bool sql)
{
    struct server *s = &w->host[node].server;
    struct channel *ch = &s->channel[0];
    if (!sim_answers(s) || !ch->made || (!sql && sim_applier_is_stuck(s)))
        return;
    sim_check_by_hand(w, node);
    sim_stop_threads(w, node, 0, !io, !sql);
    /* MariaDB throws away what is not applied: the operator's loss. */
    for (unsigned i = ch->applied;
         w->mariadb && !ch->io && !ch->sql && (io || sql) && i < ch->relay.count; i++)
        sim_txn(w, ch->relay.id[i])->excused = true;
    if (io || sql)
        sim_start_threads(w, node, io, sql);
    sim_story(w, "%s: by hand, threads io=%d sql=%d", sim_name(w, node), io, sql);
}

void world_replica_side(struct world *w, unsigned node, bool on)
{
    if (!sim_answers(&w->host[node].server))
        return;
    w->host[node].server.replica_side = on;
    sim_story(w, "%s: by hand, replica side %s", sim_name(w, node), on ? "on" : "off");
}

void world_source_side(struct world *w, unsigned node, bool on)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s))
        return;
    s->by_hand = s->by_hand || (s->source_side && !on);
    sim_set_source_side(s, on);
    sim_story(w, "%s: by hand, source side %s", sim_name(w, node), on ? "on" : "off");
}

/* SET GLOBAL read_only = 1 waits for commits and long transactions, and new commits wait for it. */
void world_read_only(struct world *w, unsigned node, bool on)
{
    struct server *s = &w->host[node].server;
    if (!sim_answers(s))
        return;
    sim_check_by_hand(w, node);
    s->closing_us = on ? w->now_us + BY_HAND_WAIT_US : 0;
    s->read_only = s->read_only && on;
    sim_story(w, "%s: by hand, read_only=%d", sim_name(w, node), on);
}

void world_kill_session(struct world *w, unsigned node)
{
    sim_story(w, "%s: by hand, KILL of a session", sim_name(w, node));
    sim_kill_waiter(w, node);
}

void world_remove_vip(struct world *w, unsigned node)
{
    struct event *ev;
    if (!w->host[node].vip)
        return;
    w->host[node].vip = false;
    sim_story(w, "%s: by hand, VIP removed", sim_name(w, node));
    if (!w->host[node].agent)
        return;
    ev = sim_event(EVENT_VIP);
    ev->u.vip.index = 0;
    ev->u.vip.present = false;
    sim_post(w, node, ev, 1000);
}

void world_slow_start(struct world *w, unsigned node, bool slow)
{
    w->host[node].server.slow_start = slow;
}

void world_relay_log_recovery(struct world *w, unsigned node, bool on)
{
    w->host[node].server.relay_log_recovery = on;
    sim_story(w, "%s: relay_log_recovery is %s", sim_name(w, node), on ? "on" : "off");
}

void world_server_id(struct world *w, unsigned node, uint32_t id)
{
    w->host[node].server.server_id = id;
    sim_story(w, "%s: server_id is %u", sim_name(w, node), id);
}

void world_gtid(struct world *w, unsigned node, bool on)
{
    w->host[node].server.gtid_off = !on;
    sim_story(w, "%s: GTID is %s", sim_name(w, node), on ? "on" : "off");
}

void world_data_disk(struct world *w, unsigned node, unsigned sync_ms, bool is_full)
{
    struct server *s = &w->host[node].server;
    s->sync_us = (int64_t)sync_ms * 1000;
    s->disk_full = is_full;
    s->damaged = s->damaged && (is_full || sync_ms != 0);
    sim_story(w, "%s: a sync of mysqld takes %u ms, its disk %s", sim_name(w, node), sync_ms,
              is_full ? "is full" : "has space");
}

void world_damage(struct world *w, unsigned node)
{
    w->host[node].server.damaged = true;
    sim_story(w, "%s: its data is damaged", sim_name(w, node));
    sim_server_die(w, node, /* cleanly= */ false);
}

void world_slow_receiver(struct world *w, unsigned node, bool slow)
{
    w->host[node].server.slow_io = slow;
    sim_story(w, "%s: IO thread is %s", sim_name(w, node), slow ? "slow" : "fast");
}

void world_clock_jump(struct world *w, unsigned node, int64_t ms)
{
    w->host[node].wall_ahead_ms += ms;
    sim_story(w, "%s: its clock is set by %lld ms", sim_name(w, node), (long long)ms);
}

void world_busy(struct world *w, unsigned node, bool busy)
{
    w->host[node].server.busy = busy;
    sim_story(w, "%s: long transaction %s", sim_name(w, node), busy ? "begins" : "ends");
}

void world_errant(struct world *w, unsigned node)
{
    struct waiter by = {.kind = WAITER_HAND};
    uint32_t id = sim_commit(w, node, TXN_HAND, by);
    if (id == TXN_NONE)
        return;
    sim_story(w, "%s: by hand, transaction %llu of its own", sim_name(w, node),
              (unsigned long long)sim_txn(w, id)->number);
}

void world_differ(struct world *w, unsigned node)
{
    w->host[node].server.differs = true;
    sim_story(w, "%s: by hand, rows changed without binlog", sim_name(w, node));
}

void world_lock(struct world *w, unsigned node, bool lock)
{
    if (w->host[node].server.locked == lock)
        return;
    w->host[node].server.locked = lock;
    sim_story(w, "%s: rows %s", sim_name(w, node), lock ? "locked" : "let go");
}

void world_commit_as(struct world *w, unsigned node, unsigned server, uint64_t number)
{
    struct waiter by = {.kind = WAITER_HAND};
    struct server *s = &w->host[node].server;
    assert(!w->mariadb);
    if (!sim_answers(s) || s->n_waiters == WAITERS_MAX)
        return;
    sim_log_txn(w, node, sim_txn_new(w, server, number, TXN_HAND), by);
    sim_story(w, "%s: by hand, a transaction as %s:%llu", sim_name(w, node), sim_name(w, server),
              (unsigned long long)number);
}

void world_stranger(struct world *w, unsigned node, bool on)
{
    struct server *s = &w->host[node].server;
    if (s->stranger == on)
        return;
    s->stranger = on;
    s->stranger_has = s->stranger_acked = 0;
    sim_story(w, "%s: a semi-sync replica of somebody else's %s", sim_name(w, node),
              on ? "connects" : "leaves");
}

void world_slow_line(struct world *w, unsigned node, unsigned per_ms)
{
    if (w->host[node].server.fetch_max == per_ms)
        return;
    w->host[node].server.fetch_max = per_ms;
    sim_story(w, "%s: its line is %s", sim_name(w, node), per_ms != 0 ? "slow" : "fast");
}

void world_slow_look(struct world *w, unsigned node, unsigned ms)
{
    if (w->host[node].server.look_ms == ms)
        return;
    w->host[node].server.look_ms = ms;
    sim_story(w, "%s: a look at mysqld takes %u ms more", sim_name(w, node), ms);
}

void world_write(struct world *w, bool on)
{
    w->writing = on;
}

void world_write_local(struct world *w, bool on)
{
    w->writing_local = on;
}

void world_command(struct world *w, unsigned node, const struct command *m)
{
    struct event *ev = sim_event(EVENT_COMMAND);
    ev->from = node;
    ev->u.command = *m;
    ev->u.command.origin = (uint8_t)node;
    ev->u.command.id = (uint64_t)w->now_us; /* 0 is no order (core_by_hand()) */
    w->reply[0] = '\0';
    sim_post(w, node, ev, 0);
    sim_story(w, "operator at %s: %s %s flag=%d", sim_name(w, node), command_kind_text(m->kind),
              sim_name(w, m->node), m->flag);
}

void world_inject(struct world *w, unsigned node, const struct event *ev)
{
    struct event *copy = sim_event(ev->kind);
    memcpy(copy, ev, sim_event_size(ev->kind));
    sim_post(w, node, copy, 0);
}
