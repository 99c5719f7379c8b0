/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/config_fill.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#define FILL_PAIR_TIMEOUT_MIN_MS 100

struct fill {
    const struct config_tree *tree;
    struct cluster_config *c;
    struct config_origin *from;
    struct config_errors *errors;
};

unsigned config_node_line(const struct config_origin *from, unsigned node, const char *node_name)
{
    const struct config_value *v = config_node_value(from, node, node_name);
    return v->line > 0 ? v->line : from->node_line[node];
}

const struct config_value *config_node_value(const struct config_origin *from, unsigned node,
                                             const char *node_name)
{
    unsigned row = 0;
    while (row < option_count() &&
           (option_at(row)->node_name == NULL || strcmp(option_at(row)->node_name, node_name) != 0))
        row++;
    assert(row < option_count());
    return &from->node[node][row];
}

unsigned config_cluster_line(const struct config_origin *from, const char *block, const char *name)
{
    unsigned row = 0;
    while (row < option_count() &&
           (strcmp(option_at(row)->block, block) != 0 || strcmp(option_at(row)->name, name) != 0))
        row++;
    assert(row < option_count());
    return from->cluster[row].line;
}

static struct config_block fill_block(const struct fill *f, const char *block)
{
    return block[0] == '\0' ? config_tree_top(f->tree) : config_tree_block(f->tree, block, 0);
}

static const char *fill_default(const struct fill *f, const struct option_row *o)
{
    bool fast = f->c->arbiter.profile == CONFIG_PROFILE_FAST;
    return fast && o->fast != NULL ? o->fast : o->def;
}

static bool fill_is_reference(const struct option_row *o)
{
    return o->kind == OPTION_SOURCE || o->kind == OPTION_NODES;
}

static void fill_read_default(const struct fill *f, const struct option_row *o, void *base)
{
    const char *text = fill_default(f, o);
    int err = 0;
    if (text != NULL && !fill_is_reference(o))
        err = option_read(o, text, base);
    assert(err == 0);
}

/* `where` says whose option it is: "", " of node 'm1'". */
static void fill_read(const struct fill *f, const struct option_row *o, const char *text,
                      const char *where, void *base, struct config_value *value)
{
    const char *name = o->node_name != NULL && value->own ? o->node_name : o->name;
    char allowed[OPTION_ALLOWED_MAX];
    if (fill_is_reference(o) || option_read(o, text, base) == 0)
        return;
    option_allowed(o, allowed);
    config_errors_add(f->errors, CONFIG_ERROR, value->line, "%s%s is '%.80s'; allowed: %s", name,
                      where, text, allowed);
    value->bad = true;
    f->from->cluster_bad = true;
    fill_read_default(f, o, base);
}

static void fill_missing(const struct fill *f, const struct option_row *o, const char *where,
                         unsigned line, struct config_value *value)
{
    char allowed[OPTION_ALLOWED_MAX];
    option_allowed(o, allowed);
    config_errors_add(f->errors, CONFIG_ERROR, line, "%s%s is missing; allowed: %s", o->name, where,
                      allowed);
    value->bad = true;
    f->from->cluster_bad = true;
}

static void fill_cluster_option(const struct fill *f, unsigned row)
{
    const struct option_row *o = option_at(row);
    struct config_block block = fill_block(f, o->block);
    struct config_value *value = &f->from->cluster[row];
    const char *text = config_block_get(&block, o->name, &value->line);
    if (text != NULL)
        fill_read(f, o, text, "", f->c, value);
    else if (o->def == NULL)
        fill_missing(f, o, "", 0, value);
    else
        fill_read_default(f, o, f->c);
}

/* Of a block such as `mysql`: judged once, on a scratch node, not again for each node. */
static void fill_shared_option(const struct fill *f, unsigned row, struct config_node *scratch)
{
    const struct option_row *o = option_at(row);
    struct config_block block = fill_block(f, o->block);
    struct config_value *value = &f->from->cluster[row];
    const char *text = config_block_get(&block, o->name, &value->line);
    if (text != NULL)
        fill_read(f, o, text, "", scratch, value);
}

static bool fill_is_expanded(const struct option_row *o)
{
    return o->kind == OPTION_PATH || o->kind == OPTION_OPTIONAL_PATH || o->kind == OPTION_SOCKET ||
           o->kind == OPTION_COMMAND;
}

static void fill_expand(const struct fill *f, const struct option_row *o, unsigned node,
                        struct config_value *value)
{
    struct config_node *n = &f->c->nodes[node];
    if (!fill_is_expanded(o) || option_expand((char *)n + o->offset, o->size, n->name) == 0)
        return;
    config_errors_add(f->errors, CONFIG_ERROR, value->line,
                      "%s of node '%s' is too long with %%n replaced; allowed: %zu characters",
                      o->node_name, n->name, o->size - 1);
    value->bad = true;
}

static void fill_node_option(const struct fill *f, unsigned row, unsigned node, const char *where)
{
    const struct option_row *o = option_at(row);
    struct config_node *n = &f->c->nodes[node];
    struct config_value *value = &f->from->node[node][row];
    struct config_block own = config_tree_block(f->tree, "node", node);
    struct config_block shared = fill_block(f, o->block);
    const char *text = config_block_get(&own, o->node_name, &value->line);
    bool only_node = strcmp(o->block, "node") == 0;
    value->own = text != NULL;
    if (text == NULL && !only_node && !f->from->cluster[row].bad)
        text = config_block_get(&shared, o->name, &value->line);
    if (text != NULL)
        fill_read(f, o, text, where, n, value);
    else if (o->def == NULL)
        fill_missing(f, o, where, f->from->node_line[node], value);
    else
        fill_read_default(f, o, n);
    fill_expand(f, o, node, value);
}

/* Where the drop-in of `tandem init` puts it. */
static void fill_log_bin(const struct fill *f, unsigned node)
{
    struct config_node *n = &f->c->nodes[node];
    char path[2 * PATH_TEXT_MAX];
    int length = snprintf(path, sizeof path, "%s/%s-bin", n->mysql.data_dir, n->name);
    if (length < PATH_TEXT_MAX)
        memcpy(n->mysql.log_bin, path, (size_t)length + 1);
    else
        config_errors_add(f->errors, CONFIG_ERROR, f->from->node_line[node],
                          "data_dir of node '%s' is too long for the name of its binary log",
                          n->name);
}

static void fill_node(const struct fill *f, unsigned node)
{
    struct config_node *n = &f->c->nodes[node];
    char where[NODE_NAME_MAX + 16];
    (void)snprintf(where, sizeof where, " of node '%s'", n->name);
    n->source = NODE_NONE;
    for (unsigned row = 0; row < option_count(); row++) {
        if (option_at(row)->scope == OPTION_IN_NODE)
            fill_node_option(f, row, node, where);
    }
    n->family = strchr(n->address, ':') != NULL ? AF_INET6 : AF_INET;
    if (n->mysql.log_bin[0] == '\0')
        fill_log_bin(f, node);
    /* A witness has none, and equal files must give equal values. */
    if (n->role == CONFIG_ROLE_WITNESS)
        memset(&n->mysql, 0, sizeof n->mysql);
}

static void fill_nodes(const struct fill *f)
{
    static const struct option_row name = {.kind = OPTION_NAME, .size = NODE_NAME_MAX};
    unsigned count = config_tree_count(f->tree, "node");
    struct config_node scratch;
    char allowed[OPTION_ALLOWED_MAX];
    option_allowed(&name, allowed);
    if (count > NODES_MAX) {
        config_errors_add(f->errors, CONFIG_ERROR, 0, "%u nodes; allowed: 3 to %d", count,
                          NODES_MAX);
        count = NODES_MAX;
    }
    memset(&scratch, 0, sizeof scratch);
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        if (o->scope == OPTION_IN_NODE && strcmp(o->block, "node") != 0)
            fill_shared_option(f, row, &scratch);
    }
    for (unsigned i = 0; i < count; i++) {
        struct config_block block = config_tree_block(f->tree, "node", i);
        f->from->node_line[i] = block.line;
        if (option_read(&name, block.title, f->c->nodes[i].name) != 0) {
            config_errors_add(f->errors, CONFIG_ERROR, block.line,
                              "name of a node is '%.80s'; allowed: %s", block.title, allowed);
            f->from->cluster_bad = true;
        }
    }
    f->c->n_nodes = count;
    for (unsigned i = 0; i < count; i++)
        fill_node(f, i);
}

static void fill_sources(const struct fill *f)
{
    for (unsigned i = 0; i < f->c->n_nodes; i++) {
        struct config_block own = config_tree_block(f->tree, "node", i);
        unsigned line = 0;
        const char *text = config_block_get(&own, "source", &line);
        if (text == NULL || strcmp(text, "writer") == 0)
            continue;
        f->c->nodes[i].source = config_node_find(f->c, text);
        if (f->c->nodes[i].source != NODE_NONE)
            continue;
        config_errors_add(f->errors, CONFIG_ERROR, line,
                          "source of node '%s' is '%.80s', which is no node of this file; allowed: "
                          "writer, or the name of a node",
                          f->c->nodes[i].name, text);
        f->from->cluster_bad = true;
    }
}

static void fill_voters(const struct fill *f)
{
    struct config_block arbiter = config_tree_block(f->tree, "arbiter", 0);
    unsigned line = 0;
    const char *text;
    f->c->arbiter.voters = 0;
    for (unsigned i = 0; (text = config_block_element(&arbiter, "voters", i, &line)) != NULL; i++) {
        unsigned node = config_node_find(f->c, text);
        f->c->arbiter.voters_chosen = true;
        if (node == NODE_NONE) {
            config_errors_add(f->errors, CONFIG_ERROR, line,
                              "voters names '%.80s', which is no node of this file", text);
            f->from->cluster_bad = true;
        } else if ((f->c->arbiter.voters >> node & 1u) != 0) {
            config_errors_add(f->errors, CONFIG_ERROR, line, "voters names '%s' twice", text);
            f->from->cluster_bad = true;
        } else {
            f->c->arbiter.voters |= 1u << node;
        }
    }
}

/* The title: ADDRESS/PREFIX. */
static bool fill_vip_title(struct config_vip *vip, const char *title)
{
    static const struct option_row address = {.kind = OPTION_ADDRESS, .size = ADDRESS_TEXT_MAX};
    const char *slash = strchr(title, '/');
    char text[ADDRESS_TEXT_MAX];
    char *end = NULL;
    unsigned long prefix;
    if (slash == NULL || (size_t)(slash - title) >= sizeof text || slash[1] < '0' || slash[1] > '9')
        return false;
    (void)snprintf(text, sizeof text, "%.*s", (int)(slash - title), title);
    if (option_read(&address, text, vip->address) != 0)
        return false;
    vip->family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    prefix = strtoul(slash + 1, &end, 10);
    if (*end != '\0' || prefix < 1 || prefix > (vip->family == AF_INET6 ? 128u : 32u))
        return false;
    vip->prefix = (uint8_t)prefix;
    return true;
}

static void fill_vip(const struct fill *f, unsigned i)
{
    struct config_block block = config_tree_block(f->tree, "virtual_ipaddress", i);
    struct config_vip *vip = &f->c->vips[i];
    char where[ADDRESS_TEXT_MAX + 32];
    f->from->vip_line[i] = block.line;
    (void)snprintf(where, sizeof where, " of virtual_ipaddress '%.60s'", block.title);
    if (!fill_vip_title(vip, block.title)) {
        config_errors_add(f->errors, CONFIG_ERROR, block.line,
                          "virtual_ipaddress is '%.80s'; allowed: ADDRESS/PREFIX, such as "
                          "\"192.0.2.10/24\" or \"2001:db8::10/64\"",
                          block.title);
        f->from->cluster_bad = true;
    }
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        struct config_value *value = &f->from->vip[i][row];
        const char *text;
        if (o->scope != OPTION_IN_VIP)
            continue;
        text = config_block_get(&block, o->name, &value->line);
        if (text != NULL)
            fill_read(f, o, text, where, vip, value);
        else if (o->def == NULL)
            fill_missing(f, o, where, block.line, value);
        else
            fill_read_default(f, o, vip);
    }
}

/* Heartbeat, delta and margin keep the profile's proportion to T where the file does not set them;
 * tick and round trip belong to the machines, not to T. */
static void fill_scale_timing(const struct fill *f)
{
    struct config_arbiter *a = &f->c->arbiter;
    uint32_t profile_t = 0;
    for (unsigned row = 0; row < option_count(); row++) {
        const struct option_row *o = option_at(row);
        uint64_t value;
        uint32_t *field;
        if (strcmp(o->block, "arbiter") != 0 || o->kind != OPTION_DURATION)
            continue;
        if (strcmp(o->name, "election_timeout") == 0)
            profile_t = (uint32_t)strtoul(fill_default(f, o), NULL, 10);
        if (f->from->cluster[row].line > 0 || strcmp(o->name, "election_timeout") == 0 ||
            strcmp(o->name, "tick") == 0 || strcmp(o->name, "round_trip") == 0)
            continue;
        assert(profile_t > 0);
        field = (uint32_t *)(void *)((char *)f->c + o->offset);
        value = (uint64_t)*field * a->election_timeout_ms / profile_t;
        value = value < (uint64_t)o->min ? (uint64_t)o->min : value;
        *field = (uint32_t)(value > (uint64_t)o->max ? (uint64_t)o->max : value);
    }
}

static void fill_arbiter(const struct fill *f)
{
    unsigned count = config_tree_count(f->tree, "arbiter");
    struct config_block block = config_tree_block(f->tree, "arbiter", 0);
    f->from->arbiter_line = block.line;
    f->from->vrrp_line = config_tree_block(f->tree, "vrrp", 0).line;
    f->c->arbiter.type = CONFIG_ARBITER_RAFT;
    if (count > 1)
        config_errors_add(f->errors, CONFIG_ERROR, config_tree_block(f->tree, "arbiter", 1).line,
                          "two arbiter blocks; allowed: one");
    if (count == 0 || strcmp(block.title, "raft") == 0)
        return;
    if (strcmp(block.title, "vrrp") == 0)
        f->c->arbiter.type = CONFIG_ARBITER_VRRP;
    else
        config_errors_add(f->errors, CONFIG_ERROR, block.line,
                          "arbiter is '%.40s'; allowed: raft or vrrp", block.title);
}

static bool fill_is_set(const struct fill *f, const char *block, const char *name)
{
    return config_cluster_line(f->from, block, name) > 0;
}

/* With arbiter vrrp every time follows from the interval of the advertisements. */
static void fill_pair(const struct fill *f)
{
    struct config_arbiter *a = &f->c->arbiter;
    uint32_t advert_ms = f->c->vrrp.advert_interval_ms;
    if (a->type != CONFIG_ARBITER_VRRP)
        return;
    a->election_timeout_ms =
        4 * advert_ms < FILL_PAIR_TIMEOUT_MIN_MS ? FILL_PAIR_TIMEOUT_MIN_MS : 4 * advert_ms;
    a->heartbeat_ms = advert_ms / 4 > 100 ? 100 : advert_ms / 4 < 5 ? 5 : advert_ms / 4;
    if (!fill_is_set(f, "policy", "shrink_after") &&
        f->c->policy.shrink_after_ms < 5 * advert_ms + 5000)
        f->c->policy.shrink_after_ms = 5 * advert_ms + 5000;
    if (!fill_is_set(f, "policy", "vip_lifetime") &&
        f->c->policy.vip_lifetime_ms < 2 * a->election_timeout_ms)
        f->c->policy.vip_lifetime_ms = 2 * a->election_timeout_ms;
    if (!fill_is_set(f, "policy", "fence_kill_after") &&
        f->c->policy.fence_kill_after_ms <= a->election_timeout_ms)
        f->c->policy.fence_kill_after_ms = 2 * a->election_timeout_ms;
}

/* Reports are a part of what slow_ack measures. */
static void fill_slow(const struct fill *f)
{
    struct config_policy *p = &f->c->policy;
    uint32_t least_ms = 2 * (p->probe_interval_ms + f->c->arbiter.heartbeat_ms);
    if (!fill_is_set(f, "policy", "slow_ack") && p->slow_ack_ms < least_ms)
        p->slow_ack_ms = least_ms;
}

void config_fill(const struct config_tree *t, struct cluster_config *c, struct config_origin *from,
                 struct config_errors *errors)
{
    struct fill f = {.tree = t, .c = c, .from = from, .errors = errors};
    unsigned vips = config_tree_count(t, "virtual_ipaddress");
    assert(option_count() <= CONFIG_ROWS_MAX);
    /* In the order of the table: the profile is read before the defaults that depend on it. */
    for (unsigned row = 0; row < option_count(); row++) {
        if (option_at(row)->scope == OPTION_IN_CLUSTER)
            fill_cluster_option(&f, row);
    }
    fill_scale_timing(&f);
    fill_arbiter(&f);
    fill_pair(&f);
    fill_slow(&f);
    fill_nodes(&f);
    fill_sources(&f);
    fill_voters(&f);
    if (vips > VIPS_MAX)
        config_errors_add(errors, CONFIG_ERROR, 0, "%u virtual_ipaddress blocks; allowed: 0 to %d",
                          vips, VIPS_MAX);
    c->n_vips = vips < VIPS_MAX ? vips : VIPS_MAX;
    for (unsigned i = 0; i < c->n_vips; i++)
        fill_vip(&f, i);
}
