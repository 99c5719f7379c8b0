/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/config.h"

#include <assert.h>

uint32_t config_vip_router(const struct cluster_config *c, unsigned vip)
{
    assert(vip < c->n_vips);
    return c->vips[vip].router_id != 0 ? c->vips[vip].router_id : c->vrrp.router_id;
}

bool config_vips_share_router(const struct cluster_config *c, unsigned a, unsigned b)
{
    return c->vips[a].family == c->vips[b].family &&
           config_vip_router(c, a) == config_vip_router(c, b);
}

static bool config_vip_is_first(const struct cluster_config *c, unsigned vip)
{
    for (unsigned i = 0; i < vip; i++) {
        if (config_vips_share_router(c, i, vip))
            return false;
    }
    return true;
}

/* AF_INET is the lesser number. */
static unsigned config_router_of(const struct cluster_config *c, int family, unsigned *n)
{
    for (unsigned i = 0; i < c->n_vips; i++) {
        if (c->vips[i].family == family && config_vip_is_first(c, i) && (*n)-- == 0)
            return i;
    }
    return VIP_NONE;
}

unsigned config_router(const struct cluster_config *c, unsigned n)
{
    int least = 0, most = 0;
    unsigned vip;
    for (unsigned i = 0; i < c->n_vips; i++) {
        least = least == 0 || c->vips[i].family < least ? c->vips[i].family : least;
        most = c->vips[i].family > most ? c->vips[i].family : most;
    }
    vip = config_router_of(c, least, &n);
    return vip != VIP_NONE || least == most ? vip : config_router_of(c, most, &n);
}

/* As inet_ntop() writes it. */
bool config_vip_is_link_local(const struct cluster_config *c, unsigned vip)
{
    const char *text = c->vips[vip].address;
    return strncmp(text, "fe", 2) == 0 && text[2] != '\0' && strchr("89ab", text[2]) != NULL;
}

unsigned config_client_vip(const struct cluster_config *c)
{
    unsigned found = VIP_NONE;
    for (unsigned i = 0; i < c->n_vips; i++) {
        if (!c->vips[i].accept)
            continue;
        if (!config_vip_is_link_local(c, i))
            return i;
        found = found == VIP_NONE ? i : found;
    }
    return found == VIP_NONE ? 0 : found;
}

unsigned config_node_find(const struct cluster_config *c, const char *name)
{
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (strcmp(c->nodes[i].name, name) == 0)
            return i;
    }
    return NODE_NONE;
}

unsigned config_node_find_address(const struct cluster_config *c, const char *address)
{
    unsigned found = NODE_NONE;
    for (unsigned i = 0; i < c->n_nodes; i++) {
        if (strcmp(c->nodes[i].address, address) != 0)
            continue;
        if (found != NODE_NONE)
            return NODE_NONE;
        found = i;
    }
    return found;
}

bool config_node_is_voter(const struct cluster_config *c, unsigned node)
{
    assert(node < c->n_nodes);
    return (c->arbiter.voters >> node & 1u) != 0;
}

unsigned config_voter_count(const struct cluster_config *c)
{
    unsigned n = 0;
    for (unsigned i = 0; i < c->n_nodes; i++)
        n += config_node_is_voter(c, i);
    return n;
}

unsigned config_majority(const struct cluster_config *c)
{
    return config_is_pair(c) ? 1 : config_voter_count(c) / 2 + 1;
}

bool config_is_pair(const struct cluster_config *c)
{
    return c->arbiter.type == CONFIG_ARBITER_VRRP;
}

bool config_node_has_agent(const struct cluster_config *c, unsigned node)
{
    assert(node < c->n_nodes);
    return !config_is_pair(c) || c->nodes[node].role == CONFIG_ROLE_CANDIDATE;
}

bool config_node_has_mysql(const struct cluster_config *c, unsigned node)
{
    assert(node < c->n_nodes);
    return c->nodes[node].role != CONFIG_ROLE_WITNESS;
}

static const char *config_word(const char *const *words, int count, int value)
{
    return value >= 0 && value < count ? words[value] : "?";
}

const char *config_role_text(int role)
{
    static const char *const words[] = {"candidate", "replica", "witness"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_ROLE_COUNT, "a word for each role");
    return config_word(words, CONFIG_ROLE_COUNT, role);
}

const char *config_profile_text(int profile)
{
    static const char *const words[] = {"lan", "fast"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_PROFILE_COUNT, "a word for each profile");
    return config_word(words, CONFIG_PROFILE_COUNT, profile);
}

const char *config_durability_text(int durability)
{
    static const char *const words[] = {"available", "strict"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_DURABILITY_COUNT, "a word for each");
    return config_word(words, CONFIG_DURABILITY_COUNT, durability);
}

const char *config_lease_scope_text(int scope)
{
    static const char *const words[] = {"port", "vip"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_LEASE_COUNT, "a word for each scope");
    return config_word(words, CONFIG_LEASE_COUNT, scope);
}

const char *config_rejoin_text(int rejoin)
{
    static const char *const words[] = {"auto", "rewind", "manual"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_REJOIN_COUNT, "a word for each");
    return config_word(words, CONFIG_REJOIN_COUNT, rejoin);
}

const char *config_discard_text(int discard)
{
    static const char *const words[] = {"proven", "all"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_DISCARD_COUNT, "a word for each");
    return config_word(words, CONFIG_DISCARD_COUNT, discard);
}

const char *config_arbiter_type_text(int type)
{
    static const char *const words[] = {"raft", "vrrp"};
    _Static_assert(sizeof words / sizeof *words == CONFIG_ARBITER_COUNT, "a word for each arbiter");
    return config_word(words, CONFIG_ARBITER_COUNT, type);
}

const char *config_log_level_text(int level)
{
    static const char *const words[] = {"debug", "info", "notice", "warning", "error"};
    _Static_assert(sizeof words / sizeof *words == LOG_LEVEL_ERROR + 1, "a word for each level");
    return config_word(words, LOG_LEVEL_ERROR + 1, level);
}
