/* SPDX-License-Identifier: Apache-2.0 */
/* The arbiter's callbacks to events, and its directory. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/agent.h"
#include "app/config_timing.h"
#include "io/raft/raft_host.h"

static int agent_raft_send(void *data, unsigned to, const void *payload, size_t len)
{
    struct agent *a = data;
    if (!agent_quorum_may_speak(a, to))
        return ERR_NET;
    return peer_send(a->peer, to, FRAME_RAFT, payload, len);
}

static int agent_on_apply(void *data, uint64_t index, uint64_t term, const void *bytes, size_t len)
{
    struct agent *a = data;
    struct agent_event *e = agent_event(a, EVENT_APPLIED);
    int err = record_replay(a->applied, bytes, len, &e->event.u.entry);
    (void)index;
    (void)term;
    if (err != 0) {
        free(e);
        return err;
    }
    agent_post(a, e);
    agent_quorum_applied(a);
    agent_quorum_settled(a);
    return 0;
}

static int agent_on_snapshot_take(void *data, void *buf, size_t size, size_t *ret_len)
{
    struct agent *a = data;
    return record_encode(a->applied, buf, size, ret_len);
}

static int agent_on_snapshot_restore(void *data, uint64_t index, const void *bytes, size_t len)
{
    struct agent *a = data;
    struct agent_event *e = agent_event(a, EVENT_RESTORED);
    int err = record_decode(bytes, len, &e->event.u.record);
    (void)index;
    if (err != 0) {
        free(e);
        return err;
    }
    *a->applied = e->event.u.record;
    agent_post(a, e);
    agent_quorum_applied(a);
    return 0;
}

static void agent_on_proposal(void *data, uint64_t id, int err, uint64_t index)
{
    (void)index;
    agent_told_proposal(data, id, err);
}

static void agent_on_transfer(void *data, enum arbiter_transfer_outcome outcome)
{
    agent_told_transfer(data, outcome == ARBITER_TRANSFER_DONE || outcome == ARBITER_TRANSFER_LOST);
}

static void agent_on_trouble(void *data, enum raft_trouble trouble, const char *text)
{
    struct agent *a = data;
    if (trouble == RAFT_TROUBLE_NONE)
        a->arbiter_trouble[0] = '\0';
    else
        (void)snprintf(a->arbiter_trouble, sizeof a->arbiter_trouble, "%s: %.*s",
                       raft_trouble_text(trouble), TROUBLE_TEXT_MAX - 40, text);
    agent_told_trouble(a);
}

static void agent_on_members(void *data, uint32_t voters, uint32_t members)
{
    struct agent_event *e = agent_event(data, EVENT_MEMBERS);
    agent_quorum_members(data, members);
    e->event.u.members.voters = voters;
    e->event.u.members.members = members;
    agent_post(data, e);
}

static void agent_on_change(void *data, uint64_t id, int err)
{
    struct agent_event *e = agent_event(data, EVENT_CHANGE);
    e->event.u.change.id = id;
    e->event.u.change.err = err;
    agent_post(data, e);
}

int agent_make_dir(const char *path, struct errmsg *m)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return errmsg_set(m, ERR_IO, "directory '%s' cannot be made: %s", path, strerror(errno));
    return 0;
}

int agent_open_raft(struct agent *a, struct errmsg *m)
{
    char dir[PATH_TEXT_MAX + 8];
    int err = agent_make_dir(a->node->state_dir, m);
    (void)snprintf(dir, sizeof dir, "%s/raft", a->node->state_dir);
    if (err == 0)
        err = agent_make_dir(dir, m);
    return err != 0 ? err : agent_quorum_open(a, dir, m);
}

int agent_start_raft(struct agent *a, struct errmsg *m)
{
    struct raft_host_config host = {
        .loop = &a->loop, .dir = a->quorum.dir, .cluster = a->cfg->cluster};
    struct raft_node_config rc = {.log = a->log};
    rc.joins = a->quorum.joins;
    rc.self = a->self;
    rc.n_nodes = a->cfg->n_nodes;
    rc.timing = config_timing(a->cfg);
    rc.entry_format = RECORD_FORMAT;
    rc.callbacks = (struct raft_node_callbacks){
        .data = a,
        .send = agent_raft_send,
        .on_elected = agent_told_elected,
        .on_deposed = agent_told_deposed,
        .on_leader = agent_told_leader,
        .on_lease = agent_told_lease,
        .on_apply = agent_on_apply,
        .on_snapshot_take = agent_on_snapshot_take,
        .on_snapshot_restore = agent_on_snapshot_restore,
        .on_proposal = agent_on_proposal,
        .on_transfer = agent_on_transfer,
        .on_trouble = agent_on_trouble,
        .on_members = agent_on_members,
        .on_change = agent_on_change,
    };
    return raft_host_start(&host, &rc, &a->raft, m);
}
