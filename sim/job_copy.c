/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of whole data directories: received beside the server's own for a while, then put in its
 * place. The copy brings its binlog along; a real one begins with an empty one, so that nobody can
 * follow its older part.
 */
#include <assert.h>
#include <string.h>

#include "sim/world_private.h"

#define COPY_US 400000

void sim_copy_tell(struct world *w, unsigned node)
{
    struct host *h = &w->host[node];
    struct event *ev;
    if (!h->agent)
        return;
    ev = sim_event(EVENT_CLONE);
    clone_report_init(&ev->u.clone);
    ev->u.clone.state = h->server.copy.state;
    ev->u.clone.peer = (uint8_t)h->server.copy.donor;
    if (h->server.copy.state == CLONE_NONE)
        ev->u.clone.peer = NODE_NONE;
    sim_post(w, node, ev, 0);
}

static void copy_state(struct world *w, unsigned node, int state)
{
    w->host[node].server.copy.state = state;
    sim_story(w, "%s: copy is %s", sim_name(w, node), clone_state_text(state));
    sim_copy_tell(w, node);
}

/* What the donor holds when the copy ends is in it. */
void sim_copy_run(struct world *w, unsigned node)
{
    struct copy *c = &w->host[node].server.copy;
    struct server *donor;
    if (c->state != CLONE_RECEIVING || !w->host[node].agent || w->host[node].agent_hung ||
        w->now_us < c->at_us)
        return;
    donor = &w->host[c->donor].server;
    if (!sim_answers(donor) || w->cut[c->donor][node] || w->cut[node][c->donor]) {
        copy_state(w, node, CLONE_FAILED);
        return;
    }
    list_cut(&c->data, 0);
    for (unsigned i = 0; i < donor->committed; i++)
        list_add(&c->data, donor->binlog.id[i], /* synced= */ true);
    c->differs = donor->differs;
    copy_state(w, node, CLONE_READY);
}

/* The copying process dies with its agent. */
void sim_copy_agent_died(struct world *w, unsigned node)
{
    struct copy *c = &w->host[node].server.copy;
    if (c->state == CLONE_RECEIVING)
        c->state = CLONE_FAILED;
}

static void copy_fetch(struct world *w, unsigned node, struct job_running *run)
{
    struct copy *c = &w->host[node].server.copy;
    int donor = sim_node_of(w, run->job.host);
    if (donor < 0 || c->state == CLONE_RECEIVING) {
        sim_job_end(w, node, run, JOB_FAILED, 0);
        return;
    }
    c->donor = (unsigned)donor;
    c->at_us = w->now_us + COPY_US;
    copy_state(w, node, CLONE_RECEIVING);
    sim_job_end(w, node, run, JOB_DONE, 0);
}

static void copy_place(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    if (s->up || s->copy.state != CLONE_READY) {
        sim_job_end(w, node, run, s->copy.state == CLONE_PLACED ? JOB_DONE : JOB_FAILED, 0);
        return;
    }
    for (unsigned i = 0; i < s->binlog.count; i++)
        list_add(&s->copy.old, s->binlog.id[i], /* synced= */ true);
    sim_server_replace(w, s, &s->copy.data);
    s->differs = s->copy.differs;
    s->damaged = false;
    copy_state(w, node, CLONE_PLACED);
    sim_job_end(w, node, run, JOB_DONE, 0);
}

static void copy_clear(struct world *w, unsigned node, struct job_running *run)
{
    struct server *s = &w->host[node].server;
    for (unsigned i = 0; !run->job.flag && i < s->copy.old.count; i++) {
        if (!sim_holds(s, s->copy.old.id[i]))
            sim_check_vanish(w, node, s->copy.old.id[i]);
    }
    list_cut(&s->copy.old, 0);
    list_cut(&s->copy.data, 0);
    copy_state(w, node, CLONE_NONE);
    sim_job_end(w, node, run, JOB_DONE, 0);
}

void sim_job_copy(struct world *w, unsigned node, struct job_running *run)
{
    switch (run->job.kind) {
    case JOB_DONATE:
        sim_job_end(w, node, run, sim_answers(&w->host[node].server) ? JOB_DONE : JOB_FAILED, 1);
        return;
    case JOB_FETCH:
        copy_fetch(w, node, run);
        return;
    case JOB_PLACE:
        copy_place(w, node, run);
        return;
    case JOB_CLEAR:
        copy_clear(w, node, run);
        return;
    default:
        assert(false && "not a job on copies");
    }
}

/* ---- ADOPT, on the server ---- */

enum { ADOPT_START, ADOPT_END };

void script_adopt(struct world *w, unsigned node, struct job_running *run)
{
    if (run->state == ADOPT_START) {
        script_look(run, ADOPT_END);
        return;
    }
    if (w->host[node].server.copy.state == CLONE_PLACED)
        copy_state(w, node, CLONE_ADOPTED);
    script_end(w, node, run, JOB_DONE);
}
