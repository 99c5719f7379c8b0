/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The raft directory at the start of an agent, and what makes it another one: `tandem init` (a new
 * cluster), a node that joins, a quorum that is rebuilt from one node, a node that was left out
 * when that was done. Each is a small file in the state directory that is removed when the
 * directory is what it says; a crash on the way repeats the step.
 *
 *   raft.bootstrap   the cluster is new
 *   raft.join        this node never voted in this quorum, or was removed from it
 *   raft.rebuild     GENERATION TERM: an operator gives up the majority
 *   raft.superseded  GENERATION: the others did, without this node
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/agent.h"
#include "app/status_json.h"
#include "io/raft/raft_dir.h"
#include "io/raft/raft_rebuild.h"
#include "io/store/durable.h"

#define QUORUM_MARK_MAX 64
#define QUORUM_TERMS_AHEAD 1000 /* elections that the lost majority may have held unheard */
#define QUORUM_SETTLE_US 10000000
#define QUORUM_QUIT_MS 200 /* for the reply to leave */

static void mark_path(const struct agent *a, const char *name, char buf[PATH_TEXT_MAX + 32])
{
    (void)snprintf(buf, PATH_TEXT_MAX + 32, "%s/%s", a->node->state_dir, name);
}

/* False if it is not there; "" if it cannot be read. */
static bool mark_read(const struct agent *a, const char *name, char text[QUORUM_MARK_MAX])
{
    char path[PATH_TEXT_MAX + 32];
    struct errmsg ignored = ERRMSG_INIT;
    size_t n = 0;
    int err;
    mark_path(a, name, path);
    err = durable_read(path, (uint8_t *)text, QUORUM_MARK_MAX - 1, &n, &ignored);
    text[n] = '\0';
    return err != ERR_NOTFOUND;
}

static int mark_remove(const struct agent *a, const char *name, struct errmsg *m)
{
    char path[PATH_TEXT_MAX + 32];
    mark_path(a, name, path);
    if (unlink(path) != 0 && errno != ENOENT)
        return errmsg_set(m, ERR_IO, "'%s' cannot be removed: %s", path, strerror(errno));
    return 0;
}

static int mark_write(const struct agent *a, const char *name, const char *text, struct errmsg *m)
{
    char path[PATH_TEXT_MAX + 32];
    mark_path(a, name, path);
    return durable_write(path, (const uint8_t *)text, strlen(text), m);
}

/* ---- at the start ---- */

static int quorum_begin(struct agent *a, const struct raft_dir_seed *seed, struct errmsg *m)
{
    char text[QUORUM_MARK_MAX];
    int err;
    if (!mark_read(a, "raft.bootstrap", text))
        return 0;
    err = raft_dir_bootstrap(seed, m);
    /* A crash between making it and removing the marker. */
    if (err != 0 && err != ERR_EXISTS)
        return err;
    err = mark_remove(a, "raft.bootstrap", m);
    if (err == 0)
        LOG(&a->log, NOTICE, "raft-bootstrapped", "raft directory made dir=%s", seed->dir);
    return err;
}

static int quorum_join(struct agent *a, const struct raft_dir_seed *seed, struct errmsg *m)
{
    char text[QUORUM_MARK_MAX];
    int err;
    if (!mark_read(a, "raft.join", text))
        return 0;
    err = raft_dir_join(seed, 0, m);
    if (err == ERR_EXISTS)
        return errmsg_set(m, ERR_STATE,
                          "%s/raft.join says that this node joins, but %s holds the log of an "
                          "earlier membership: if it was removed (`tandem node remove`), move that "
                          "directory aside; else remove the file",
                          a->node->state_dir, seed->dir);
    if (err == 0)
        err = mark_remove(a, "raft.join", m);
    if (err == 0)
        LOG(&a->log, NOTICE, "raft-joins",
            "this node joins; it gets the log when it is added: tandem node add %s dir=%s",
            a->node->name, seed->dir);
    return err;
}

static int quorum_rebuild(struct agent *a, const struct raft_dir_seed *seed, struct errmsg *m)
{
    struct raft_rebuild rebuild;
    char text[QUORUM_MARK_MAX];
    int err;
    if (!mark_read(a, "raft.rebuild", text))
        return 0;
    if (sscanf(text, "%" SCNu32 " %" SCNu64, &rebuild.generation, &rebuild.term) != 2)
        return errmsg_set(m, ERR_FORMAT, "%s/raft.rebuild cannot be read; remove it",
                          a->node->state_dir);
    err = raft_rebuild(seed, &rebuild, m);
    if (err == 0)
        err = mark_remove(a, "raft.rebuild", m);
    if (err == 0)
        LOG(&a->log, WARNING, "raft-rebuilt",
            "the quorum begins anew with this node alone generation=%u term=%llu dir=%s",
            rebuild.generation, (unsigned long long)rebuild.term, seed->dir);
    return err;
}

/* What it voted for in the quorum before is kept, and never used again. */
static int quorum_superseded(struct agent *a, const struct raft_dir_seed *seed, struct errmsg *m)
{
    char text[QUORUM_MARK_MAX], aside[PATH_TEXT_MAX + 64];
    struct raft_identity id = {0};
    uint32_t generation;
    int err;
    if (!mark_read(a, "raft.superseded", text))
        return 0;
    if (sscanf(text, "%" SCNu32, &generation) != 1)
        return errmsg_set(m, ERR_FORMAT, "%s/raft.superseded cannot be read; remove it",
                          a->node->state_dir);
    if (raft_dir_identity(seed->dir, &id, m) == 0 && id.generation < generation) {
        (void)snprintf(aside, sizeof aside, "%s.before-%u", seed->dir, generation);
        if (rename(seed->dir, aside) != 0)
            return errmsg_set(m, ERR_IO, "'%s' cannot be moved to '%s': %s", seed->dir, aside,
                              strerror(errno));
    }
    err = raft_dir_join(seed, generation, m);
    if (err == ERR_EXISTS)
        err = 0;
    if (err == 0)
        err = mark_remove(a, "raft.superseded", m);
    if (err == 0)
        LOG(&a->log, NOTICE, "raft-joins",
            "the quorum was rebuilt without this node; it gets the log when it is added: tandem "
            "node add %s dir=%s",
            a->node->name, seed->dir);
    return err;
}

int agent_quorum_open(struct agent *a, const char *dir, struct errmsg *m)
{
    struct raft_dir_seed seed = {.dir = dir,
                                 .cluster = a->cfg->cluster,
                                 .self = a->self,
                                 .n_nodes = a->cfg->n_nodes,
                                 .voters = a->cfg->arbiter.voters};
    struct raft_identity id = {0};
    int err = quorum_begin(a, &seed, m);
    if (err == 0)
        err = quorum_superseded(a, &seed, m);
    if (err == 0)
        err = quorum_join(a, &seed, m);
    if (err == 0)
        err = quorum_rebuild(a, &seed, m);
    if (err != 0)
        return err;
    if (raft_dir_identity(dir, &id, m) == 0)
        a->quorum.generation = id.generation;
    a->quorum.rebuilt_term = id.rebuilt_term;
    a->quorum.joins = raft_dir_joins(dir);
    a->quorum.fresh = a->core->rebuilt = raft_dir_is_fresh(dir);
    (void)snprintf(a->quorum.dir, sizeof a->quorum.dir, "%s", dir);
    return 0;
}

/* ---- later ---- */

/* The first entry: the log is here, and must not be missing ever again. */
void agent_quorum_applied(struct agent *a)
{
    struct errmsg m = ERRMSG_INIT;
    if (!a->quorum.joins)
        return;
    if (raft_dir_joined(a->quorum.dir, &m) != 0) {
        LOG(&a->log, ERROR, "raft-trouble", "the mark of a joining node stays error='%s'", m.text);
        return;
    }
    a->quorum.joins = false;
    peer_set_joins(a->peer, false, a->quorum.generation);
    LOG(&a->log, NOTICE, "raft-joined", "this node has joined and receives the log");
}

void agent_quorum_settled(struct agent *a)
{
    struct errmsg m = ERRMSG_INIT;
    if (!a->quorum.fresh || a->core->rebuilt)
        return;
    a->quorum.fresh = false;
    if (raft_dir_set_fresh(a->quorum.dir, /* fresh= */ false, &m) != 0)
        LOG(&a->log, ERROR, "raft-trouble", "the mark of a rebuilt quorum stays error='%s'",
            m.text);
}

static void quorum_on_quit(uv_timer_t *timer)
{
    struct agent *a = timer->data;
    agent_post(a, agent_event(a, EVENT_QUIT));
}

static void quorum_quit(struct agent *a)
{
    (void)uv_timer_start(&a->quorum.quit, quorum_on_quit, QUORUM_QUIT_MS, 0);
}

/* Proven by its certificate. A node that has no log yet simply joins that quorum. */
void agent_on_generation(void *data, unsigned node, uint32_t generation)
{
    struct agent *a = data;
    struct raft_identity id = {0};
    struct errmsg m = ERRMSG_INIT;
    char text[QUORUM_MARK_MAX];
    int err;
    if (a->quorum.leaving || a->stopping)
        return;
    if (a->quorum.joins) {
        err = raft_dir_identity(a->quorum.dir, &id, &m);
        id.generation = generation;
        if (err == 0)
            err = raft_dir_set_identity(a->quorum.dir, &id, &m);
        if (err == 0) {
            a->quorum.generation = generation;
            peer_set_joins(a->peer, true, generation);
        }
    } else {
        (void)snprintf(text, sizeof text, "%u\n", generation);
        err = mark_write(a, "raft.superseded", text, &m);
        a->quorum.leaving = true;
        if (a->raft != NULL)
            raft_node_step_down(a->raft);
        LOG(&a->log, ERROR, "raft-superseded",
            "the quorum was rebuilt without this node: it decides nothing any more, and starts "
            "again as one that joins node=%s generation=%u",
            a->cfg->nodes[node].name, generation);
        quorum_quit(a);
    }
    if (err != 0)
        LOG(&a->log, ERROR, "raft-trouble", "the generation cannot be written error='%s'", m.text);
}

/*
 * A node that joins with an empty log under the id of a member would confirm what it has forgotten.
 * So nothing of raft is exchanged with it until it is no member here.
 */
void agent_quorum_on_peer(struct agent *a, unsigned node, bool up)
{
    uint32_t bit = 1u << node;
    bool member = (a->quorum.members & bit) != 0;
    a->quorum.may_join = up && !member ? a->quorum.may_join | bit : a->quorum.may_join & ~bit;
    if (up && member && peer_joins(a->peer, node))
        LOG(&a->log, WARNING, "raft-stranger",
            "the node has lost its log and is a member of the quorum: tandem node remove %s, then "
            "tandem node add %s",
            a->cfg->nodes[node].name, a->cfg->nodes[node].name);
}

void agent_quorum_members(struct agent *a, uint32_t members)
{
    a->quorum.members = members;
    a->quorum.may_join |= ~members;
}

bool agent_quorum_may_speak(const struct agent *a, unsigned node)
{
    return !a->quorum.leaving && a->peer != NULL &&
           ((a->quorum.may_join & (1u << node)) != 0 || !peer_joins(a->peer, node));
}

/* ---- the operator ---- */

static const char *rebuild_obstacle(const struct agent *a, char *buf, size_t size)
{
    const struct core *core = a->core;
    int64_t up_us = agent_now_us() - core->started_us;
    unsigned up = membership_voters_up(core);
    if (a->pair != NULL)
        (void)snprintf(buf, size,
                       "with arbiter vrrp there is no quorum to rebuild; a host takes over by hand "
                       "with `tandem failover --to NODE`");
    else if (a->quorum.leaving)
        (void)snprintf(buf, size, "this agent is about to end, and starts again; then try again");
    else if (a->quorum.joins || membership_voter_count(core) == 0)
        (void)snprintf(buf, size, "this node has no record of the cluster; rebuild on another one");
    else if (core->leader != NODE_NONE)
        (void)snprintf(buf, size, "%s leads with a majority: there is nothing to rebuild",
                       core_name(core, core->leader));
    else if (up >= membership_majority(core))
        (void)snprintf(
            buf, size,
            "%u of %u voters answer, that is a majority: they elect a leader themselves; "
            "look at `tandem status`",
            up, membership_voter_count(core));
    else if (up_us < QUORUM_SETTLE_US)
        (void)snprintf(buf, size, "this agent looks for the others for %d s more; then try again",
                       (int)((QUORUM_SETTLE_US - up_us) / 1000000) + 1);
    else
        return NULL;
    return buf;
}

static void rebuild_price(const struct agent *a, char *buf, size_t size)
{
    const struct core *core = a->core;
    char names[256] = "";
    size_t used = 0;
    for (unsigned i = 0; i < a->cfg->n_nodes; i++)
        if (membership_is_voter(core, i) && i != a->self && !core->view[i].up)
            used += (size_t)snprintf(names + used, used < sizeof names ? sizeof names - used : 0,
                                     "%s%s", used > 0 ? ", " : "", core_name(core, i));
    (void)snprintf(buf, size,
                   "%s do not answer. The quorum would begin anew with %s alone, from its record "
                   "(writer %s, epoch %llu). What the others decided and it never heard is given "
                   "up: if they have promoted another writer since, its commits are lost. Be "
                   "certain that their hosts are off or their disks gone: a majority of them that "
                   "still runs out of sight goes on serving. Then: tandem quorum rebuild "
                   "--accept-data-loss",
                   names, core_name(core, a->self), core_name(core, core->record.writer),
                   (unsigned long long)core->record.epoch);
}

json_t *agent_quorum_rebuild(struct agent *a, bool accepted)
{
    struct errmsg m = ERRMSG_INIT;
    char text[REPLY_TEXT_MAX];
    char mark[QUORUM_MARK_MAX];
    if (rebuild_obstacle(a, text, sizeof text) != NULL)
        return reply_json(false, text);
    if (!accepted) {
        rebuild_price(a, text, sizeof text);
        return reply_json(false, text);
    }
    (void)snprintf(mark, sizeof mark, "%u %llu\n", a->quorum.generation + 1,
                   (unsigned long long)a->core->term + QUORUM_TERMS_AHEAD);
    if (mark_write(a, "raft.rebuild", mark, &m) != 0)
        return reply_json(false, m.text);
    a->quorum.leaving = true;
    LOG(&a->log, WARNING, "command", "operator's command what=quorum-rebuild accepted=yes");
    quorum_quit(a);
    return reply_json(true, "this agent ends, and begins the quorum anew with this node alone when "
                            "it is started again (systemd does it)");
}

void agent_quorum_init(struct agent *a)
{
    (void)uv_timer_init(&a->loop, &a->quorum.quit);
    a->quorum.quit.data = a;
}

void agent_quorum_close(struct agent *a)
{
    uv_close((uv_handle_t *)&a->quorum.quit, NULL);
}
