/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to servers, agents and hosts. */
#include "sim/action_private.h"

static bool has_server(const struct stage *s, unsigned node)
{
    return config_node_has_mysql(&s->cfg, node);
}

static bool runs(const struct stage *s, unsigned node)
{
    return has_server(s, node) && world_server_runs(s->w, node);
}

/* ---- mysqld ---- */

bool act_kill_mysqld(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node))
        return false;
    world_kill_server(s->w, node);
    return true;
}

/* Without an agent nobody learns what it told its clients: outside the promises, and so not drawn.
 */
bool act_shut_down_mysqld(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node) || (s->scenario->drawn && !world_agent_is_up(s->w, node)))
        return false;
    world_term_server(s->w, node);
    return true;
}

bool act_hang_mysqld(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node))
        return false;
    world_hang_server(s->w, node, /* hang= */ true);
    return true;
}

bool act_continue_mysqld(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node))
        return false;
    world_hang_server(s->w, node, /* hang= */ false);
    return true;
}

bool act_start_mysqld(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node) || runs(s, node))
        return false;
    world_start_server(s->w, node);
    return true;
}

/* ---- agents ---- */

bool act_kill_agent(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!world_agent_is_up(s->w, node))
        return false;
    world_kill_agent(s->w, node);
    return true;
}

bool act_crash_agent(struct stage *s, unsigned node, const struct statement *st)
{
    if (!world_agent_is_up(s->w, node))
        return false;
    world_crash_agent(s->w, node, (unsigned)st->args.number);
    return true;
}

bool act_hang_agent(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!world_agent_is_up(s->w, node))
        return false;
    world_hang_agent(s->w, node, /* hang= */ true);
    return true;
}

bool act_continue_agent(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!world_agent_is_up(s->w, node))
        return false;
    world_hang_agent(s->w, node, /* hang= */ false);
    return true;
}

bool act_stall_agent(struct stage *s, unsigned node, const struct statement *st)
{
    if (!world_agent_is_up(s->w, node))
        return false;
    world_stall_agent(s->w, node, (unsigned)st->args.number);
    return true;
}

bool act_stop_agent(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!world_agent_is_up(s->w, node))
        return false;
    world_quit_agent(s->w, node);
    return true;
}

bool act_start_agent(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (world_agent_is_up(s->w, node))
        return false;
    world_start_agent(s->w, node);
    return true;
}

bool act_restart_agent(struct stage *s, unsigned node, const struct statement *st)
{
    if (!act_stop_agent(s, node, st))
        return false;
    s->restarting |= 1u << node;
    return true;
}

/* ---- hosts ---- */

bool act_kill_both(struct stage *s, unsigned node, const struct statement *st)
{
    bool server = act_kill_mysqld(s, node, st);
    return act_kill_agent(s, node, st) || server;
}

bool act_cut_power(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!world_agent_is_up(s->w, node) && !runs(s, node))
        return false;
    world_power_cut(s->w, node);
    return true;
}

bool act_boot(struct stage *s, unsigned node, const struct statement *st)
{
    return act_start_agent(s, node, st);
}

bool act_clock_fast(struct stage *s, unsigned node, const struct statement *st)
{
    world_clock_rate(s->w, node, (int)st->args.number);
    return true;
}

bool act_clock_slow(struct stage *s, unsigned node, const struct statement *st)
{
    world_clock_rate(s->w, node, -(int)st->args.number);
    return true;
}

bool act_clock_forward(struct stage *s, unsigned node, const struct statement *st)
{
    world_clock_jump(s->w, node, st->args.number);
    return true;
}

bool act_clock_back(struct stage *s, unsigned node, const struct statement *st)
{
    world_clock_jump(s->w, node, -st->args.number);
    return true;
}

bool act_disk_slow(struct stage *s, unsigned node, const struct statement *st)
{
    world_disk_slow(s->w, node, (unsigned)st->args.number);
    return true;
}

bool act_disk_fail(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    world_disk_fail(s->w, node, /* fails= */ true);
    return true;
}

bool act_disk_full(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    world_disk_full(s->w, node, /* is_full= */ true);
    return true;
}

bool act_disk_mend(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    world_disk_slow(s->w, node, 0);
    world_disk_fail(s->w, node, /* fails= */ false);
    world_disk_full(s->w, node, /* is_full= */ false);
    return true;
}

static bool data_disk(struct stage *s, unsigned node, unsigned sync_ms, bool is_full)
{
    if (!has_server(s, node))
        return false;
    world_data_disk(s->w, node, sync_ms, is_full);
    return true;
}

bool act_data_slow(struct stage *s, unsigned node, const struct statement *st)
{
    return data_disk(s, node, (unsigned)st->args.number, /* is_full= */ false);
}

bool act_data_full(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return data_disk(s, node, 0, /* is_full= */ true);
}

bool act_data_damage(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node))
        return false;
    world_damage(s->w, node);
    return true;
}

bool act_data_mend(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return data_disk(s, node, 0, /* is_full= */ false);
}

/* ---- what somebody does to a server by hand ---- */

static bool threads(struct stage *s, unsigned node, bool io, bool sql)
{
    if (!runs(s, node))
        return false;
    world_threads(s->w, node, io, sql);
    return true;
}

bool act_stop_replication(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return threads(s, node, /* io= */ false, /* sql= */ false);
}

bool act_stop_receiver(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return threads(s, node, /* io= */ false, /* sql= */ true);
}

bool act_stop_applier(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return threads(s, node, /* io= */ true, /* sql= */ false);
}

bool act_start_replication(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return threads(s, node, /* io= */ true, /* sql= */ true);
}

static bool replica_side(struct stage *s, unsigned node, bool on)
{
    if (!runs(s, node))
        return false;
    world_replica_side(s->w, node, on);
    return true;
}

bool act_side_on(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return replica_side(s, node, /* on= */ true);
}

bool act_side_off(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return replica_side(s, node, /* on= */ false);
}

static bool source_side(struct stage *s, unsigned node, bool on)
{
    if (!runs(s, node))
        return false;
    world_source_side(s->w, node, on);
    return true;
}

bool act_source_on(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return source_side(s, node, /* on= */ true);
}

bool act_source_off(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return source_side(s, node, /* on= */ false);
}

bool act_kill_session(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node))
        return false;
    world_kill_session(s->w, node);
    return true;
}

bool act_remove_vip(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!world_agent_is_up(s->w, node))
        return false;
    world_remove_vip(s->w, node);
    return true;
}

static bool start_slowly(struct stage *s, unsigned node, bool on)
{
    if (!has_server(s, node))
        return false;
    world_slow_start(s->w, node, on);
    return true;
}

bool act_slow_start(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return start_slowly(s, node, /* on= */ true);
}

bool act_fast_start(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return start_slowly(s, node, /* on= */ false);
}

bool act_make_writable(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node))
        return false;
    world_read_only(s->w, node, /* on= */ false);
    return true;
}

bool act_make_read_only(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!runs(s, node))
        return false;
    world_read_only(s->w, node, /* on= */ true);
    return true;
}

bool act_commit_by_hand(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node) || !world_server_is_up(s->w, node))
        return false;
    world_errant(s->w, node);
    return true;
}

bool act_change_rows(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node) || !world_server_is_up(s->w, node))
        return false;
    world_differ(s->w, node);
    return true;
}

static bool busy(struct stage *s, unsigned node, bool on)
{
    if (!runs(s, node))
        return false;
    world_busy(s->w, node, on);
    return true;
}

bool act_begin_long(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return busy(s, node, /* on= */ true);
}

bool act_end_long(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return busy(s, node, /* on= */ false);
}

bool act_lock_rows(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node) || !world_server_is_up(s->w, node))
        return false;
    world_lock(s->w, node, /* lock= */ true);
    return true;
}

bool act_unlock_rows(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node))
        return false;
    world_lock(s->w, node, /* lock= */ false);
    return true;
}

static bool slow(struct stage *s, unsigned node, bool on)
{
    if (!has_server(s, node))
        return false;
    world_slow(s->w, node, on);
    return true;
}

bool act_slow_applier(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return slow(s, node, /* on= */ true);
}

bool act_fast_applier(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return slow(s, node, /* on= */ false);
}

bool act_slow_line(struct stage *s, unsigned node, const struct statement *st)
{
    if (!has_server(s, node))
        return false;
    world_slow_line(s->w, node, (unsigned)st->args.number);
    return true;
}

bool act_slow_looks(struct stage *s, unsigned node, const struct statement *st)
{
    if (!has_server(s, node))
        return false;
    world_slow_look(s->w, node, (unsigned)st->args.number);
    return true;
}

bool act_let_follow(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node))
        return false;
    world_stranger(s->w, node, /* on= */ true);
    return true;
}

bool act_send_away(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node))
        return false;
    world_stranger(s->w, node, /* on= */ false);
    return true;
}

static bool slow_receiver(struct stage *s, unsigned node, bool on)
{
    if (!has_server(s, node))
        return false;
    world_slow_receiver(s->w, node, on);
    return true;
}

bool act_slow_receiver(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return slow_receiver(s, node, /* on= */ true);
}

bool act_fast_receiver(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return slow_receiver(s, node, /* on= */ false);
}

static bool relay_log_recovery(struct stage *s, unsigned node, bool on)
{
    if (!has_server(s, node))
        return false;
    world_relay_log_recovery(s->w, node, on);
    return true;
}

bool act_relay_drop(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return relay_log_recovery(s, node, /* on= */ true);
}

bool act_relay_keep(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    return relay_log_recovery(s, node, /* on= */ false);
}

bool act_gtid_off(struct stage *s, unsigned node, const struct statement *st)
{
    (void)st;
    if (!has_server(s, node))
        return false;
    world_gtid(s->w, node, /* on= */ false);
    return true;
}
