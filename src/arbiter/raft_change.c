/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who belongs to the quorum, and how that is changed: by libraft's own changes of one node at a
 * time. Absent -> spare -> receives the log -> votes, and back.
 *
 * Happy path: each call of raft_change_run() looks at the configuration; if the node is what was
 * wanted the change has ended, else the next single change is given to libraft, never inside one of
 * its functions. A node is made a voter only when it has everything that is committed, so that the
 * new majority can commit at once.
 *
 * Failure modes: the leadership is lost or the node stops (outcome unknown); the node does not
 * catch up before the deadline (it goes on receiving; the same order later ends it); a transfer of
 * the leadership is prepared meanwhile (given up where it stands).
 */
#include <assert.h>
#include <string.h>

#include "arbiter/raft_impl.h"

static int role_of(const struct raft_node *node, unsigned i)
{
    const struct raft_configuration *conf = &node->raft.configuration;
    for (unsigned k = 0; k < conf->n; k++)
        if (conf->servers[k].id == raft_node_id(i))
            return conf->servers[k].role;
    return -1;
}

static bool is_wanted(int role, enum raft_membership wanted)
{
    return (wanted == RAFT_MEMBER_NONE && role == -1) ||
           (wanted == RAFT_MEMBER_LEARNER && role == RAFT_STANDBY) ||
           (wanted == RAFT_MEMBER_VOTER && role == RAFT_VOTER);
}

static void end(struct raft_node *node, int err)
{
    uint64_t id = node->change.id;
    assert(!node->change.given);
    node->change.active = false;
    RAFT_CALL(node, on_change, id, err);
}

void raft_change_completed(struct raft_node *node, int status)
{
    node->change.given = false;
    if (status == RAFT_LEADERSHIPLOST || status == RAFT_SHUTDOWN || status == RAFT_CANCELED)
        end(node, ERR_CANCELED);
    else if (status != 0)
        end(node, ERR_STATE);
    else
        raft_node_soon(node); /* on to the next step */
}

static void change_cb(struct raft_change *req, int status)
{
    raft_change_completed(req->data, status);
}

static bool has_caught_up(const struct raft_node *node)
{
    raft_index match = 0;
    return raft_match_index(&node->raft, raft_node_id(node->change.target), &match) == 0 &&
           match >= node->raft.commit_index && match > 0;
}

static int give(struct raft_node *node, int role)
{
    struct raft *r = &node->raft;
    struct raft_change *req = &node->change.req;
    raft_id id = raft_node_id(node->change.target);
    if (node->change.wanted == RAFT_MEMBER_NONE)
        return raft_remove(r, req, id, change_cb);
    if (role == -1)
        return raft_add(r, req, id, node->address[node->change.target], change_cb);
    if (node->change.wanted == RAFT_MEMBER_VOTER && role == RAFT_STANDBY)
        return raft_assign(r, req, id, RAFT_VOTER, change_cb);
    return raft_assign(r, req, id, RAFT_STANDBY, change_cb);
}

static void step(struct raft_node *node, int role)
{
    int rv;
    node->change.given = true;
    node->change.req.data = node;
    rv = give(node, role);
    if (rv == 0)
        return;
    node->change.given = false;
    /* libraft notes the request before it may fail, and would find it again at the next one. */
    if (node->raft.legacy.change == &node->change.req)
        node->raft.legacy.change = NULL;
    end(node, rv == RAFT_NOMEM ? ERR_NOMEM : ERR_STATE);
}

void raft_change_run(struct raft_node *node)
{
    int role;
    bool voter_next;
    if (!node->change.active || node->change.given)
        return;
    if (!raft_is_up(node) || node->stopping || node->halted || node->stepping_down ||
        arbiter_transfer_is_closed(&node->transfer) || raft_state(&node->raft) != RAFT_LEADER) {
        end(node, node->change.begun ? ERR_CANCELED : ERR_STATE);
        return;
    }
    role = role_of(node, node->change.target);
    voter_next = role == RAFT_STANDBY && node->change.wanted == RAFT_MEMBER_VOTER;
    if (is_wanted(role, node->change.wanted)) {
        end(node, 0);
    } else if (!voter_next || has_caught_up(node)) {
        node->change.begun = true;
        step(node, role);
    } else if (raft_now_us(node) >= node->change.deadline_us) {
        end(node, ERR_TIMEOUT);
    }
}

bool raft_change_is_waiting(const struct raft_node *node)
{
    return node->change.active && !node->change.given;
}

void raft_node_change(struct raft_node *node, uint64_t id, unsigned target,
                      enum raft_membership wanted, int64_t timeout_us)
{
    assert(target < NODES_MAX && !node->change.active);
    memset(&node->change, 0, sizeof node->change);
    node->change.active = true;
    node->change.id = id;
    node->change.target = target;
    node->change.wanted = wanted;
    node->change.deadline_us = raft_now_us(node) + timeout_us;
    raft_node_soon(node);
}

bool raft_node_is_changing(const struct raft_node *node)
{
    return node->change.active;
}

/* Before the first configuration is known nothing is told. */
void raft_change_tell(struct raft_node *node)
{
    const struct raft_configuration *conf = &node->raft.configuration;
    uint32_t voters = 0, members = 0;
    if (!raft_is_up(node) || conf->n == 0)
        return;
    for (unsigned i = 0; i < conf->n; i++) {
        uint32_t bit = conf->servers[i].id <= NODES_MAX ? 1u << (conf->servers[i].id - 1) : 0;
        members |= bit;
        voters |= conf->servers[i].role == RAFT_VOTER ? bit : 0;
    }
    if (voters == node->told_voters && members == node->told_members)
        return;
    node->told_voters = voters;
    node->told_members = members;
    RAFT_CALL(node, on_members, voters, members);
}
