/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/topology.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/arbiter_pair.h"
#include "sim/phrase.h"
#include "sim/setting.h"

#define VOTERS_MIN 3
#define PRIORITY_MAX 254
#define SHRINK_AFTER_MIN_MS 2000 /* pair_timing_check() with the shortest intervals */

void topology_clear(struct cluster_config *cfg)
{
    memset(cfg, 0, sizeof *cfg);
    settings_default(cfg, CONFIG_PROFILE_LAN);
    cfg->n_vips = 1;
}

unsigned topology_add(struct cluster_config *cfg, const char *name, int role)
{
    unsigned i = cfg->n_nodes++;
    struct config_node *n = &cfg->nodes[i];
    assert(i < NODES_MAX);
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    (void)snprintf(n->address, sizeof n->address, "172.17.0.%u", 10 + i);
    n->role = role;
    n->source = NODE_NONE;
    n->mysql.port = role == CONFIG_ROLE_WITNESS ? 0 : 3306;
    return i;
}

void topology_default_voters(struct cluster_config *cfg)
{
    uint32_t voters = 0;
    unsigned count = 0;
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        if (cfg->nodes[i].role == CONFIG_ROLE_REPLICA)
            continue;
        voters |= 1u << i;
        count++;
    }
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        if ((count >= VOTERS_MIN && count % 2 == 1) || cfg->nodes[i].role != CONFIG_ROLE_REPLICA)
            continue;
        voters |= 1u << i;
        count++;
    }
    cfg->arbiter.voters = voters;
}

/* ---- reading ---- */

static int read_source(struct cluster_config *cfg, unsigned node, const char *name,
                       struct errmsg *msg)
{
    unsigned source = config_node_find(cfg, name);
    if (strcmp(name, "writer") == 0)
        return 0;
    if (source == NODE_NONE || source == node)
        return errmsg_set(msg, ERR_FORMAT,
                          "'%.60s' is no node named before; allowed: writer, or one", name);
    cfg->nodes[node].source = source;
    return 0;
}

static int read_priority(struct config_node *n, const char *word, struct errmsg *msg)
{
    int64_t priority;
    if (!word_number(word, &priority) || priority < 1 || priority > PRIORITY_MAX)
        return errmsg_set(msg, ERR_FORMAT, "'%.60s' is no priority; allowed: 1 to %d", word,
                          PRIORITY_MAX);
    n->priority = (uint32_t)priority;
    return 0;
}

/* candidate N [never promoted] | replica of SOURCE | witness */
static int read_role(struct cluster_config *cfg, unsigned node, const struct words *w, unsigned *at,
                     struct errmsg *msg)
{
    struct config_node *n = &cfg->nodes[node];
    int err = 0;
    if (words_is(w, *at, "candidate")) {
        err = read_priority(n, words_at(w, *at + 1), msg);
        *at += 2;
        if (err == 0 && words_is(w, *at, "never") && words_is(w, *at + 1, "promoted")) {
            n->no_promote = true;
            *at += 2;
        }
    } else if (words_is(w, *at, "replica") && words_is(w, *at + 1, "of")) {
        n->role = CONFIG_ROLE_REPLICA;
        err = read_source(cfg, node, words_at(w, *at + 2), msg);
        *at += 3;
    } else if (words_is(w, *at, "witness")) {
        n->role = CONFIG_ROLE_WITNESS;
        n->mysql.port = 0;
        *at += 1;
    } else {
        err = errmsg_set(msg, ERR_FORMAT,
                         "'%.60s' is no role; allowed: candidate PRIORITY [never promoted], "
                         "replica of NODE, replica of writer, witness",
                         words_at(w, *at));
    }
    return err;
}

static int check_name(const struct cluster_config *cfg, const char *name, struct errmsg *msg)
{
    struct target t;
    if (strlen(name) >= NODE_NAME_MAX || name[0] == '\0')
        return errmsg_set(msg, ERR_FORMAT, "a node needs a name of at most %d bytes",
                          NODE_NAME_MAX - 1);
    if (target_read(name, cfg, &t))
        return errmsg_set(msg, ERR_FORMAT, "'%.60s' cannot be the name of a node: %s", name,
                          t.kind == TARGET_NODE ? "there is one already"
                                                : "it is a word of the language");
    return cfg->n_nodes == NODES_MAX ? errmsg_set(msg, ERR_FORMAT, "more than %d nodes", NODES_MAX)
                                     : 0;
}

int topology_read(struct cluster_config *cfg, const struct words *w, struct errmsg *msg)
{
    unsigned at = 1;
    for (;;) {
        const char *name = words_at(w, at);
        unsigned node;
        int err = check_name(cfg, name, msg);
        if (err != 0)
            return err;
        node = topology_add(cfg, name, CONFIG_ROLE_CANDIDATE);
        at++;
        err = read_role(cfg, node, w, &at, msg);
        if (err != 0)
            return err;
        if (at >= w->count)
            break;
        if (!words_is(w, at, ","))
            return errmsg_set(msg, ERR_FORMAT,
                              "'%.60s' is not understood after '%.60s'; allowed: a "
                              "comma, the end of the line",
                              words_at(w, at), words_at(w, at - 1));
        at++;
    }
    topology_default_voters(cfg);
    return 0;
}

int topology_read_voters(struct cluster_config *cfg, const struct words *w, struct errmsg *msg)
{
    cfg->arbiter.voters = 0;
    for (unsigned at = 1; at < w->count; at += 2) {
        unsigned node = config_node_find(cfg, words_at(w, at));
        if (node == NODE_NONE)
            return errmsg_set(msg, ERR_FORMAT, "'%.60s' is no node of the cluster",
                              words_at(w, at));
        cfg->arbiter.voters |= 1u << node;
        if (at + 1 < w->count && !words_is(w, at + 1, ","))
            return errmsg_set(msg, ERR_FORMAT, "'%.60s': allowed is a comma", words_at(w, at + 1));
    }
    cfg->arbiter.voters_chosen = true;
    return 0;
}

static void pair_standard(struct cluster_config *cfg)
{
    struct config_arbiter *a = &cfg->arbiter;
    a->type = CONFIG_ARBITER_VRRP;
    a->voters = 3;
    a->election_timeout_ms = 4 * cfg->vrrp.advert_interval_ms;
    a->margin_ms = a->candidate_delta_ms = a->election_timeout_ms / 10;
    cfg->vrrp.version = 3;
    cfg->policy.shrink_after_ms = 10 * cfg->vrrp.advert_interval_ms;
    if (cfg->policy.shrink_after_ms < SHRINK_AFTER_MIN_MS)
        cfg->policy.shrink_after_ms = SHRINK_AFTER_MIN_MS;
}

int topology_make_pair(struct cluster_config *cfg, struct errmsg *msg)
{
    if (cfg->n_nodes < 2)
        return errmsg_set(msg, ERR_FORMAT, "the line `cluster` comes first");
    pair_standard(cfg);
    return 0;
}

void topology_standard(struct cluster_config *cfg)
{
    uint32_t interval_ms = cfg->vrrp.advert_interval_ms;
    settings_default(cfg, cfg->arbiter.profile);
    if (!config_is_pair(cfg))
        return;
    cfg->vrrp.advert_interval_ms = interval_ms;
    pair_standard(cfg);
}

/* The two that have agents come first; the others are witnesses. */
static int check_pair(const struct cluster_config *cfg, struct errmsg *msg)
{
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        int wanted = i < 2 ? CONFIG_ROLE_CANDIDATE : CONFIG_ROLE_WITNESS;
        if (cfg->nodes[i].role != wanted)
            return errmsg_set(msg, ERR_INVAL,
                              "with arbiter vrrp: two candidates, then witnesses as arbitration "
                              "addresses");
    }
    if (cfg->n_nodes < 2)
        return errmsg_set(msg, ERR_INVAL, "with arbiter vrrp: two candidates");
    return pair_timing_check(cfg, msg);
}

int topology_check(const struct cluster_config *cfg, struct errmsg *msg)
{
    unsigned candidates = 0;
    unsigned voters = config_voter_count(cfg);
    if (config_is_pair(cfg))
        return check_pair(cfg, msg);
    for (unsigned i = 0; i < cfg->n_nodes; i++)
        candidates += cfg->nodes[i].role == CONFIG_ROLE_CANDIDATE;
    if (candidates == 0)
        return errmsg_set(msg, ERR_INVAL, "the cluster has no candidate");
    if (voters < VOTERS_MIN || voters % 2 == 0)
        return errmsg_set(msg, ERR_INVAL, "%u nodes vote; allowed: an odd number of at least %d",
                          voters, VOTERS_MIN);
    for (unsigned i = 0; i < cfg->n_nodes; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (cfg->nodes[i].role == CONFIG_ROLE_CANDIDATE &&
                cfg->nodes[i].priority == cfg->nodes[j].priority)
                return errmsg_set(msg, ERR_INVAL, "%s and %s have the same priority",
                                  cfg->nodes[j].name, cfg->nodes[i].name);
        }
    }
    return settings_check(cfg, msg);
}

/* ---- writing ---- */

static void role_write(const struct cluster_config *cfg, unsigned i, char *buf, unsigned size)
{
    const struct config_node *n = &cfg->nodes[i];
    if (n->role == CONFIG_ROLE_CANDIDATE)
        (void)snprintf(buf, size, "candidate %u%s", n->priority,
                       n->no_promote ? " never promoted" : "");
    else if (n->role == CONFIG_ROLE_WITNESS)
        (void)snprintf(buf, size, "witness");
    else
        (void)snprintf(buf, size, "replica of %s",
                       n->source == NODE_NONE ? "writer" : cfg->nodes[n->source].name);
}

void topology_write(const struct cluster_config *cfg, char *buf, unsigned size)
{
    size_t len = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < cfg->n_nodes && len < size; i++) {
        char role[NODE_NAME_MAX + 32];
        role_write(cfg, i, role, sizeof role);
        len += (size_t)snprintf(buf + len, size - len, "%s%s %s", i == 0 ? "" : ", ",
                                cfg->nodes[i].name, role);
    }
}

void topology_write_voters(const struct cluster_config *cfg, char *buf, unsigned size)
{
    size_t len = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < cfg->n_nodes && len < size; i++) {
        if (config_node_is_voter(cfg, i))
            len += (size_t)snprintf(buf + len, size - len, "%s%s", len == 0 ? "" : ", ",
                                    cfg->nodes[i].name);
    }
}
