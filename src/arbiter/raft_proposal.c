/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Happy path: a proposal is queued; raft_node_wake() gives it to libraft, never inside one of its
 * functions; when the entry is applied libraft puts it into its list of completed requests.
 *
 * Failure modes: libraft refuses it (not proposed); leadership is lost or the node stops while it
 * is open (outcome unknown).
 */
#include <assert.h>
#include <stdlib.h>

#include "arbiter/raft_impl.h"

/*
 * libraft's list: a ring of pointers, next and previous, in struct raft and in each request.
 * libraft's own libuv code empties it around each poll of the loop; no exported function does. The
 * node empties it as well, so that any disk will do.
 */
typedef void *ring[2];

_Static_assert(offsetof(struct raft_apply, queue) == offsetof(struct raft_barrier, queue) &&
                   offsetof(struct raft_apply, status) == offsetof(struct raft_barrier, status) &&
                   offsetof(struct raft_apply, queue) == offsetof(struct raft_change, queue) &&
                   offsetof(struct raft_apply, status) == offsetof(struct raft_change, status),
               "requests begin alike");

static int err_of(int rv)
{
    switch (rv) {
    case 0:
        return 0;
    case RAFT_NOMEM:
        return ERR_NOMEM;
    case RAFT_LEADERSHIPLOST:
    case RAFT_CANCELED:
    case RAFT_SHUTDOWN:
        return ERR_CANCELED;
    default:
        return ERR_STATE;
    }
}

static void finish(struct raft_open_proposal *p, int err, uint64_t index)
{
    struct raft_node *node = p->node;
    uint64_t id = p->id;
    raft_free(p->buf.base);
    free(p);
    RAFT_CALL(node, on_proposal, id, err, index);
}

static void finish_open(struct raft_open_proposal *p, int status, uint64_t index)
{
    struct raft_open_proposal **at = &p->node->open;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    finish(p, err_of(status), status == 0 ? index : 0);
}

static void apply_cb(struct raft_apply *req, int status, void *result)
{
    struct raft_open_proposal *p = req->data;
    (void)result;
    /* Committed but not understood here: as good as unknown to whoever proposed it. */
    if (status == 0 && p->node->halted)
        status = RAFT_CANCELED;
    finish_open(p, status, req->index);
}

static void barrier_cb(struct raft_barrier *req, int status)
{
    struct raft_open_proposal *p = req->data;
    if (status == 0 && p->node->halted)
        status = RAFT_CANCELED;
    finish_open(p, status, req->index);
}

static int give(struct raft_open_proposal *p)
{
    struct raft_node *node = p->node;
    if (p->err != 0)
        return p->err;
    if (!raft_is_up(node) || node->stopping || node->halted || node->stepping_down ||
        arbiter_transfer_is_closed(&node->transfer) || raft_state(&node->raft) != RAFT_LEADER)
        return ERR_STATE;
    if (p->is_barrier) {
        p->barrier.data = p;
        return err_of(raft_barrier(&node->raft, &p->barrier, barrier_cb));
    }
    p->apply.data = p;
    raft_fsm_stamp(&p->buf, raft_current_term(&node->raft));
    return err_of(raft_apply(&node->raft, &p->apply, &p->buf, 1, apply_cb));
}

void raft_proposals_run(struct raft_node *node)
{
    struct raft_open_proposal *p;
    while ((p = node->queue) != NULL) {
        int err;
        node->queue = p->next;
        /* libraft may call back before it returns, when it closes: be in the list before. */
        p->next = node->open;
        node->open = p;
        err = give(p);
        if (err == 0) {
            p->buf.base = NULL; /* libraft's now */
            continue;
        }
        node->open = p->next;
        finish(p, err, 0);
    }
}

static ring *first_completed(const struct raft_node *node)
{
    return node->raft.legacy.requests[0];
}

bool raft_proposals_are_due(const struct raft_node *node)
{
    return node->phase == RAFT_PHASE_UP && first_completed(node) != &node->raft.legacy.requests;
}

void raft_proposals_complete(struct raft_node *node)
{
    while (raft_proposals_are_due(node)) {
        ring *at = first_completed(node);
        ring *next = (*at)[0], *previous = (*at)[1];
        struct raft_apply *req =
            (struct raft_apply *)((char *)at - offsetof(struct raft_apply, queue));
        (*previous)[0] = next;
        (*next)[1] = previous;
        if (req->type == RAFT_CHANGE)
            raft_change_completed(node, req->status);
        else if (req->type == RAFT_BARRIER)
            barrier_cb((struct raft_barrier *)req, req->status);
        else
            apply_cb(req, req->status, req->result);
    }
}

void raft_proposals_cancel(struct raft_node *node)
{
    assert(node->open == NULL);
    raft_change_run(node); /* ends what was not given to libraft */
    while (node->queue != NULL) {
        struct raft_open_proposal *p = node->queue;
        node->queue = p->next;
        finish(p, ERR_STATE, 0);
    }
}

static void enqueue(struct raft_node *node, struct raft_open_proposal *p)
{
    struct raft_open_proposal **at = &node->queue;
    while (*at != NULL)
        at = &(*at)->next;
    *at = p;
    raft_node_soon(node);
}

static struct raft_open_proposal *new_proposal(struct raft_node *node, uint64_t id)
{
    struct raft_open_proposal *p = calloc(1, sizeof *p);
    if (p == NULL)
        abort(); /* the promise of exactly one answer could not be kept */
    p->node = node;
    p->id = id;
    return p;
}

void raft_node_propose(struct raft_node *node, uint64_t id, uint16_t format, const void *bytes,
                       size_t len)
{
    struct raft_open_proposal *p = new_proposal(node, id);
    assert(format <= node->cfg.entry_format);
    p->err = len > RAFT_NODE_ENTRY_MAX ? ERR_RANGE : raft_fsm_entry(format, bytes, len, &p->buf);
    enqueue(node, p);
}

void raft_node_barrier(struct raft_node *node, uint64_t id)
{
    struct raft_open_proposal *p = new_proposal(node, id);
    p->is_barrier = true;
    enqueue(node, p);
}
