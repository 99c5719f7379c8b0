/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node between its callers and libraft: frames in, roles, lease and transfer out.
 *
 * Happy path: a frame arrives, its echo moves the lease, the arbiter lets its message pass, libraft
 * takes it, and what changed is told to the callbacks.
 *
 * Failure modes: frames that cannot be decoded or that no correct node sends are logged (at most
 * one line a second) and dropped; while libraft is down everything is dropped.
 *
 * libraft 0.22.1 draws election timers by itself and keeps its pre-vote and disrupt flags across
 * rounds; all three are fields of its public struct and are set here before each look at the timer.
 */
#include "arbiter/raft_node.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/raft_impl.h"

#define REFUSED_EVERY_US 1000000

int64_t raft_now_us(const struct raft_node *node)
{
    return node->cfg.backend.now_us(node->cfg.backend.data);
}

bool raft_is_up(const struct raft_node *node)
{
    return node->phase == RAFT_PHASE_UP && !node->failed;
}

static enum arbiter_state state_of(const struct raft_node *node)
{
    if (!raft_is_up(node))
        return ARBITER_UNAVAILABLE;
    switch (node->raft.state) {
    case RAFT_FOLLOWER:
        return ARBITER_FOLLOWER;
    case RAFT_CANDIDATE:
        return ARBITER_CANDIDATE;
    case RAFT_LEADER:
        return ARBITER_LEADER;
    default:
        return ARBITER_UNAVAILABLE;
    }
}

static unsigned leader_of(const struct raft_node *node)
{
    switch (state_of(node)) {
    case ARBITER_LEADER:
        return node->cfg.self;
    case ARBITER_FOLLOWER:
        if (node->raft.follower_state.current_leader.id != 0)
            return (unsigned)(node->raft.follower_state.current_leader.id - 1);
        return NODE_NONE;
    default:
        return NODE_NONE;
    }
}

static uint32_t voters_of(const struct raft_node *node)
{
    const struct raft_configuration *conf = &node->raft.configuration;
    uint32_t voters = 0;
    if (!raft_is_up(node))
        return 0;
    for (unsigned i = 0; i < conf->n; i++)
        if (conf->servers[i].role == RAFT_VOTER && conf->servers[i].id <= NODES_MAX)
            voters |= 1u << (conf->servers[i].id - 1);
    return voters;
}

struct arbiter_situation raft_node_situation(const struct raft_node *node)
{
    return (struct arbiter_situation){
        .state = state_of(node),
        .term = node->raft.current_term,
        .snapshot_busy = node->put.busy || node->raft.snapshot.installing,
        .muted = node->stepping_down || node->lease.is_deaf,
    };
}

void raft_node_enter(struct raft_node *node)
{
    int64_t now_us = raft_now_us(node);
    if (arbiter_vote_alive(&node->vote, now_us))
        LOG(&node->cfg.log, WARNING, "raft-silent",
            "the loop stood still for more than half of the election timeout, this node does not "
            "vote for a while ms=%lld",
            (long long)(arbiter_timing_silence(&node->cfg.timing) / 1000));
}

void raft_node_arm(struct raft_node *node)
{
    struct raft *r = &node->raft;
    enum arbiter_state state = state_of(node);
    int64_t start_us = (int64_t)r->election_timer_start * 1000;
    unsigned ms;
    if (state != ARBITER_FOLLOWER && state != ARBITER_CANDIDATE)
        return;
    /* libraft counts whole milliseconds: one more, so that no timer is shorter than asked. */
    ms = (unsigned)((arbiter_vote_timer(
                         &node->vote, state,
                         state == ARBITER_CANDIDATE && r->candidate_state.in_pre_vote, start_us) +
                     999) /
                    1000) +
         1;
    if (state == ARBITER_FOLLOWER) {
        r->follower_state.randomized_election_timeout = ms;
        return;
    }
    r->candidate_state.randomized_election_timeout = ms;
    /* A vote that was lost: libraft would raise its term in every round from here on, and depose a
     * healthy leader when it is heard again. Ask beforehand again, without the right to disrupt. */
    if (!r->candidate_state.in_pre_vote && raft_now_us(node) / 1000 >= start_us / 1000 + ms) {
        r->candidate_state.in_pre_vote = true;
        r->candidate_state.disrupt_leader = false;
    }
}

/* --- what the callbacks are told --- */

static int64_t lease_end(const struct raft_node *node, int64_t now_us)
{
    int64_t end_us;
    bool broken = node->trouble != RAFT_TROUBLE_NONE && node->trouble != RAFT_TROUBLE_SLOW;
    if (!raft_is_up(node) || node->stopping || node->halted || broken || !node->told_leading ||
        node->stepping_down || arbiter_transfer_is_closed(&node->transfer))
        return 0;
    end_us = arbiter_lease_end(&node->lease, now_us);
    return end_us > now_us ? end_us : 0;
}

void raft_node_publish(struct raft_node *node)
{
    int64_t end_us = lease_end(node, raft_now_us(node));
    int64_t grown_us = end_us - node->told_lease_us;
    if (grown_us == 0 || (end_us != 0 && node->told_lease_us != 0 && grown_us > 0 &&
                          grown_us < node->cfg.timing.heartbeat_us / 4))
        return;
    node->told_lease_us = end_us;
    RAFT_CALL(node, on_lease, end_us);
}

static void tell_deposed(struct raft_node *node)
{
    uint64_t term = node->told_term;
    node->told_leading = false;
    node->stepping_down = false;
    arbiter_lease_deposed(&node->lease);
    arbiter_vote_deposed(&node->vote, raft_now_us(node));
    raft_node_publish(node);
    LOG(&node->cfg.log, NOTICE, "raft-deposed", "lost the leadership term=%llu",
        (unsigned long long)term);
    RAFT_CALL(node, on_deposed, term);
}

static void tell_elected(struct raft_node *node)
{
    uint64_t term = node->raft.current_term;
    node->told_leading = true;
    node->told_term = term;
    node->stepping_down = false;
    arbiter_lease_elected(&node->lease, term, voters_of(node), raft_now_us(node));
    LOG(&node->cfg.log, NOTICE, "raft-elected", "won an election term=%llu",
        (unsigned long long)term);
    RAFT_CALL(node, on_elected, term);
}

/* libraft raises its term before it asks for it to be written, and calls back in between. A term
 * that is not durable may come to nothing, and nobody may have heard of it then. */
static bool is_term_durable(const struct raft_node *node)
{
    return node->raft.current_term <= node->durable_term;
}

static void tell_leader(struct raft_node *node)
{
    unsigned leader = leader_of(node);
    uint64_t term = is_term_durable(node) ? node->raft.current_term : node->durable_term;
    if (raft_is_up(node) && !is_term_durable(node))
        return;
    if (leader == node->told_leader && (leader == NODE_NONE || term == node->told_leader_term))
        return;
    node->told_leader = leader;
    node->told_leader_term = term;
    RAFT_CALL(node, on_leader, term, leader);
}

static void transfer_ended(struct raft_node *node, enum arbiter_transfer_outcome outcome)
{
    if (outcome == ARBITER_TRANSFER_PENDING)
        return;
    if (outcome == ARBITER_TRANSFER_DROPPED && state_of(node) == ARBITER_LEADER) {
        /* What libraft does itself when the transfer has lasted for T; until then it would refuse
         * every proposal. */
        node->raft.leader_state.transferee = 0;
        node->raft.leader_state.transferring = false;
    }
    RAFT_CALL(node, on_transfer, outcome);
    raft_node_publish(node);
}

void raft_node_transfer_lost(struct raft_node *node)
{
    transfer_ended(node, arbiter_transfer_deposed(&node->transfer, node->cfg.self));
}

static void follow_transfer(struct raft_node *node, int64_t now_us)
{
    bool leads = state_of(node) == ARBITER_LEADER && node->raft.current_term == node->transfer.term;
    if (node->transfer.state == ARBITER_TRANSFER_IDLE)
        return;
    if (!leads)
        transfer_ended(node, arbiter_transfer_deposed(&node->transfer, leader_of(node)));
    else if (node->transfer.state == ARBITER_TRANSFER_CALLED && raft_transferee(&node->raft) == 0)
        transfer_ended(node, arbiter_transfer_expired(&node->transfer));
    if (leads && arbiter_transfer_is_stuck(&node->transfer, &node->cfg.timing, now_us))
        node->stepping_down = true;
}

static void follow_lease(struct raft_node *node, int64_t now_us)
{
    bool was_deaf = node->lease.is_deaf;
    if (node->halted && node->told_leading)
        node->stepping_down = true;
    if (arbiter_lease_is_deaf(&node->lease, now_us) && !was_deaf)
        LOG(&node->cfg.log, WARNING, "raft-deaf",
            "no majority confirmed this leader for half of the election timeout, it stops sending "
            "term=%llu",
            (unsigned long long)node->told_term);
    raft_node_publish(node);
}

void raft_node_refresh(struct raft_node *node)
{
    int64_t now_us = raft_now_us(node);
    bool leads = state_of(node) == ARBITER_LEADER;
    uint32_t voters = voters_of(node);
    if (node->told_leading && (!leads || node->told_term != node->raft.current_term))
        tell_deposed(node);
    if (raft_is_up(node) &&
        arbiter_vote_set_voter(&node->vote, (voters >> node->cfg.self & 1) != 0, now_us))
        LOG(&node->cfg.log, INFO, "raft-silent",
            "this node is a voter, and silent at first ms=%lld",
            (long long)(arbiter_timing_silence(&node->cfg.timing) / 1000));
    if (leads && !node->told_leading && is_term_durable(node))
        tell_elected(node);
    arbiter_lease_set_voters(&node->lease, voters);
    raft_change_tell(node);
    tell_leader(node);
    follow_transfer(node, now_us);
    follow_lease(node, now_us);
    if (raft_proposals_are_due(node))
        raft_node_soon(node);
}

void raft_node_step_cb(struct raft *raft)
{
    raft_node_refresh(raft->data);
}

/* --- work outside libraft --- */

void raft_node_wake(struct raft_node *node)
{
    raft_io_complete_sends(node, 0);
    if (node->phase == RAFT_PHASE_UP)
        raft_node_enter(node);
    raft_proposals_complete(node);
    raft_proposals_run(node);
    raft_change_run(node);
    raft_node_transfer_run(node);
    if (node->phase == RAFT_PHASE_UP)
        raft_node_refresh(node);
    raft_life_run(node);
}

void raft_node_soon(struct raft_node *node)
{
    if (node->phase != RAFT_PHASE_GONE)
        node->cfg.backend.soon(node->cfg.backend.data);
}

/* --- frames --- */

static void refuse(struct raft_node *node, unsigned from, const char *why)
{
    int64_t now_us = raft_now_us(node);
    node->refused++;
    if (now_us - node->refused_us < REFUSED_EVERY_US)
        return;
    LOG(&node->cfg.log, WARNING, "raft-frame-refused",
        "dropped a frame node=%u why=\"%s\" count=%u", from, why, node->refused);
    node->refused_us = now_us;
    node->refused = 0;
}

/* A follower that has less than it once acknowledged. libraft would set its next index below what
 * it believes to be there, which it only asserts not to happen. */
static bool has_lost_entries(struct raft_node *node, unsigned from, const struct raft_message *m)
{
    const struct raft_append_entries_result *result = &m->append_entries_result;
    raft_index match = 0;
    if (m->type != RAFT_APPEND_ENTRIES_RESULT || result->rejected == 0 ||
        state_of(node) != ARBITER_LEADER || result->term != node->raft.current_term ||
        raft_match_index(&node->raft, raft_node_id(from), &match) != 0 ||
        result->last_log_index >= match)
        return false;
    if (result->rejected >= match && node->lost_term[from] != result->term) {
        node->lost_term[from] = result->term;
        LOG(&node->cfg.log, ERROR, "raft-log-lost",
            "a node has lost entries that it had acknowledged: stop it and empty its raft "
            "directory "
            "node=%u acknowledged=%llu has=%llu",
            from, match, result->last_log_index);
    }
    return true;
}

static bool may_enter(struct raft_node *node, unsigned from, const struct raft_frame *f,
                      const struct raft_message *m, int64_t now_us)
{
    struct arbiter_message d = raft_io_describe(m);
    struct arbiter_situation s = raft_node_situation(node);
    enum arbiter_verdict verdict;
    d.nonce = f->nonce;
    if (m->type == RAFT_REQUEST_VOTE && m->request_vote.candidate_id != raft_node_id(from)) {
        refuse(node, from, "asks for votes for another node");
        return false;
    }
    if (has_lost_entries(node, from, m))
        return false;
    verdict = arbiter_vote_incoming(&node->vote, &s, &node->echo[from], &d, now_us);
    if (verdict == ARBITER_DROP_IMPOSSIBLE)
        refuse(node, from, arbiter_verdict_text(verdict));
    if (verdict == ARBITER_DROP_TWO_LEADERS)
        refuse(node, from,
               "it leads this node's own term: one of the two has a copied or rolled back raft "
               "directory");
    return verdict == ARBITER_PASS;
}

void raft_node_processed(struct raft_node *node)
{
    if (!node->receiving.active || state_of(node) != ARBITER_FOLLOWER ||
        leader_of(node) != node->receiving.from || node->raft.current_term != node->receiving.term)
        return;
    arbiter_echo_processed(&node->echo[node->receiving.from], node->receiving.term,
                           node->receiving.nonce);
    arbiter_vote_heard(&node->vote, raft_now_us(node));
    node->receiving.active = false;
}

static void take_echo(struct raft_node *node, unsigned from, const struct raft_frame *f)
{
    if (arbiter_lease_echo(&node->lease, from, f->echo_term, f->echo_nonce))
        transfer_ended(node,
                       arbiter_transfer_echo(&node->transfer, from, f->echo_term, f->echo_nonce));
}

static void give(struct raft_node *node, unsigned from, const struct raft_frame *f,
                 struct raft_message *m, int64_t now_us)
{
    bool leaders = m->type == RAFT_APPEND_ENTRIES || m->type == RAFT_INSTALL_SNAPSHOT;
    if (leaders && f->nonce > 0) {
        arbiter_echo_arrived(&node->echo[from], f->term, f->nonce, now_us);
        node->receiving.active = true;
        node->receiving.from = from;
        node->receiving.term = f->term;
        node->receiving.nonce = f->nonce;
    }
    if (m->type == RAFT_TIMEOUT_NOW)
        arbiter_vote_forced(&node->vote, m->timeout_now.term, now_us);
    m->server_id = raft_node_id(from);
    m->server_address = node->address[from];
    node->raft_recv(&node->io, m); /* the message's memory is libraft's from here on */
    raft_node_processed(node);
    node->receiving.active = false;
}

void raft_node_receive(struct raft_node *node, unsigned from, const void *payload, size_t len)
{
    struct raft_frame f;
    struct raft_message m;
    int64_t now_us;
    int err;
    assert(from < NODES_MAX && from != node->cfg.self);
    if (!raft_is_up(node) || node->stopping || from >= node->cfg.n_nodes)
        return;
    raft_node_enter(node);
    now_us = raft_now_us(node);
    err = raft_codec_decode(payload, len, &f, &m);
    if (err != 0) {
        refuse(node, from, err_text(err));
        return;
    }
    node->heard_us[from] = now_us;
    node->entry_format[from] = f.entry_format;
    take_echo(node, from, &f);
    if (f.term != 0 && f.term != raft_io_describe(&m).term) {
        refuse(node, from, "the frame's term is not its message's");
        raft_codec_release(&m);
    } else if (!may_enter(node, from, &f, &m, now_us)) {
        raft_codec_release(&m);
    } else {
        give(node, from, &f, &m, now_us);
    }
    raft_node_refresh(node);
}

/* --- names --- */

raft_id raft_node_id(unsigned node)
{
    return node + 1u;
}

void raft_node_address(unsigned node, char *buf, size_t size)
{
    (void)snprintf(buf, size, "node-%u", node);
}

int raft_node_configuration(unsigned n_nodes, uint32_t voters, struct raft_configuration *ret_conf)
{
    struct raft_configuration conf;
    raft_configuration_init(&conf);
    for (unsigned i = 0; i < n_nodes; i++) {
        char address[16];
        int role = (voters >> i & 1) != 0 ? RAFT_VOTER : RAFT_STANDBY;
        raft_node_address(i, address, sizeof address);
        if (raft_configuration_add(&conf, raft_node_id(i), address, role) != 0) {
            raft_configuration_close(&conf);
            return ERR_NOMEM;
        }
    }
    *ret_conf = conf;
    return 0;
}

/* --- callers --- */

int raft_node_config_check(const struct raft_node_config *c, struct errmsg *msg)
{
    if (c->n_nodes == 0 || c->n_nodes > NODES_MAX || c->self >= c->n_nodes)
        return errmsg_set(msg, ERR_INVAL, "node %u of %u is no node", c->self, c->n_nodes);
    if (c->timing.tick_us % 1000 != 0 || c->timing.heartbeat_us % 1000 != 0 ||
        c->timing.election_timeout_us % 1000 != 0)
        return errmsg_set(msg, ERR_INVAL, "the arbiter's times must be whole milliseconds");
    return arbiter_timing_check(&c->timing, 0, msg);
}

int raft_node_start(const struct raft_node_config *config, struct raft_node **ret_node,
                    struct errmsg *msg)
{
    struct raft_node *node;
    int err = raft_node_config_check(config, msg);
    assert(config->callbacks.send != NULL && config->callbacks.on_apply != NULL &&
           config->callbacks.on_snapshot_take != NULL &&
           config->callbacks.on_snapshot_restore != NULL);
    if (err != 0)
        return err;
    node = calloc(1, sizeof *node);
    if (node == NULL)
        return ERR_NOMEM;
    node->cfg = *config;
    node->rank = ARBITER_RANK_NONE;
    node->told_leader = NODE_NONE;
    for (unsigned i = 0; i < NODES_MAX; i++)
        raft_node_address(i, node->address[i], sizeof node->address[i]);
    node->vote.prng.state = config->seed;
    raft_life_init(node);
    *ret_node = node;
    return 0;
}

void raft_node_stop(struct raft_node *node, raft_node_stop_cb cb, void *data)
{
    assert(!node->stopping);
    node->stopping = true;
    node->stop_cb = cb;
    node->stop_data = data;
    raft_life_stop(node);
}

void raft_node_set_rank(struct raft_node *node, unsigned rank)
{
    assert(rank < NODES_MAX || rank == ARBITER_RANK_NONE);
    node->rank = rank;
    node->vote.rank = node->halted ? ARBITER_RANK_NONE : rank;
}

uint16_t raft_node_entry_format(const struct raft_node *node)
{
    uint16_t format = node->cfg.entry_format;
    for (unsigned i = 0; i < node->cfg.n_nodes; i++)
        if (node->heard_us[i] != 0 && node->entry_format[i] < format)
            format = node->entry_format[i];
    return format;
}

void raft_node_step_down(struct raft_node *node)
{
    if (!node->told_leading)
        return;
    node->stepping_down = true;
    raft_node_publish(node);
}

/* --- transfer --- */

int raft_node_transfer_prepare(struct raft_node *node, unsigned to, struct errmsg *msg)
{
    struct arbiter_transfer_facts facts = {.is_leader = node->told_leading && !node->stepping_down,
                                           .is_fenced = true,
                                           .target_is_voter = to < NODES_MAX &&
                                                              to != node->cfg.self &&
                                                              (voters_of(node) >> to & 1) != 0,
                                           .target_is_eligible = true};
    const char *obstacle = arbiter_transfer_obstacle(&facts);
    int err;
    if (obstacle != NULL)
        return errmsg_set(msg, ERR_STATE, "%s", obstacle);
    err = arbiter_transfer_prepare(&node->transfer, node->told_term, to);
    if (err != 0)
        return errmsg_set(msg, err, "another transfer is prepared or open");
    raft_node_publish(node);
    return 0;
}

int raft_node_transfer_abort(struct raft_node *node)
{
    int err = arbiter_transfer_abort(&node->transfer);
    if (err == 0)
        raft_node_publish(node);
    return err;
}

int raft_node_transfer(struct raft_node *node, struct errmsg *msg)
{
    bool prepared = node->transfer.state == ARBITER_TRANSFER_PREPARED;
    struct arbiter_transfer_facts facts = {
        .is_leader = node->told_leading && raft_is_up(node) && !node->stepping_down,
        .is_fenced = prepared,
        .has_lease = node->told_lease_us != 0,
        .has_open_proposals = node->open != NULL || node->queue != NULL || node->change.given,
        .target_is_voter = prepared && (voters_of(node) >> node->transfer.target & 1) != 0,
        .target_is_eligible = prepared};
    const char *obstacle = prepared ? arbiter_transfer_obstacle(&facts) : "it is not prepared";
    if (obstacle == NULL && node->raft.transfer != NULL)
        obstacle = "libraft has not finished the last one";
    if (obstacle != NULL)
        return errmsg_set(msg, ERR_STATE, "no transfer: %s", obstacle);
    node->transfer_due = true;
    raft_node_soon(node);
    return 0;
}

void raft_node_transfer_run(struct raft_node *node)
{
    int err, rv;
    if (!node->transfer_due)
        return;
    node->transfer_due = false;
    if (!raft_is_up(node) || node->transfer.state != ARBITER_TRANSFER_PREPARED)
        return;
    err = arbiter_transfer_called(&node->transfer, raft_now_us(node));
    assert(err == 0);
    rv =
        raft_transfer(&node->raft, &node->raft_transfer, raft_node_id(node->transfer.target), NULL);
    if (rv != 0)
        transfer_ended(node, arbiter_transfer_expired(&node->transfer));
}

/* --- status --- */

static void status_of_peer(const struct raft_node *node, unsigned i, struct raft_node_peer *ret)
{
    raft_index match = 0;
    ret->is_voter = (voters_of(node) >> i & 1) != 0;
    ret->heard_us = node->heard_us[i];
    ret->confirmed_us = node->lease.is_leader ? node->lease.confirmed_us[i] : 0;
    ret->entry_format = i == node->cfg.self ? node->cfg.entry_format : node->entry_format[i];
    if (state_of(node) == ARBITER_LEADER &&
        raft_match_index(&node->raft, raft_node_id(i), &match) == 0)
        ret->match = match;
}

void raft_node_status(const struct raft_node *node, struct raft_node_status *ret_status)
{
    struct raft_node_status s = {
        .state = state_of(node),
        .is_voter = (voters_of(node) >> node->cfg.self & 1) != 0,
        .is_silent = arbiter_vote_is_silent(&node->vote, raft_now_us(node)),
        .is_closed = arbiter_transfer_is_closed(&node->transfer),
        .is_deaf = node->lease.is_deaf,
        .leader = leader_of(node),
        .lease_until_us = node->told_lease_us,
        .voters = voters_of(node),
        .trouble = node->trouble,
        .disk_last_us = node->disk_last_us,
        .disk_max_us = node->disk_max_us,
    };
    memcpy(s.trouble_text, node->trouble_text, sizeof s.trouble_text);
    if (raft_is_up(node)) {
        s.term = node->raft.current_term;
        s.commit = node->raft.commit_index;
        s.applied = node->raft.last_applied;
        s.last_index = raft_last_index((struct raft *)(uintptr_t)&node->raft);
    }
    for (unsigned i = 0; i < node->cfg.n_nodes; i++)
        status_of_peer(node, i, &s.peer[i]);
    *ret_status = s;
}
