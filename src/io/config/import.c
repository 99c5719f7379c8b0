/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/import.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "io/config/draft.h"
#include "io/config/import_group.h"
#include "io/config/import_hooks.h"
#include "io/config/import_peers.h"
#include "io/config/import_router.h"
#include "io/config/import_side.h"
#include "io/config/import_track.h"

#define KEEPALIVED_PRIORITY "100" /* unless it is set */
#define KEEPALIVED_DELAY_MAX 1000 /* seconds */

struct import {
    const struct import_options *options;
    struct import_side sides[IMPORT_SIDES];
    unsigned n_sides;
    unsigned n_errors;
    bool vrrp;
    const char *names[IMPORT_SIDES];
    const char *addresses[IMPORT_SIDES];
    struct draft draft;
};

/* A name of the cluster file: other characters become '-'. */
static const char *name_of(struct import *k, const char *text)
{
    char name[NODE_NAME_MAX];
    size_t used = 0;
    for (; *text != '\0' && used + 1 < sizeof name; text++) {
        bool good = isalnum((unsigned char)*text) || strchr("._-", *text) != NULL;
        if (good || used > 0)
            name[used++] = good ? *text : '-';
    }
    name[used] = '\0';
    return draft_keep(&k->draft, "%s", name);
}

/* --- values of one side -----------------------------------------------------------------------*/

static bool has_ipv6(const struct import_side *side)
{
    for (unsigned i = 0; i < side->n_vips; i++) {
        if (strchr(side->vips[i].address, ':') != NULL)
            return true;
    }
    return false;
}

/* Keepalived speaks version 2 unless it is told otherwise or the addresses are of IPv6. */
static const char *version_of(const struct import_side *side)
{
    const char *all = import_text(side, IMPORT_VERSION_ALL, has_ipv6(side) ? "3" : "2");
    return import_text(side, IMPORT_VERSION, all);
}

/* Seconds with a fraction; negative if it is none, or too many. */
static double read_seconds(const char *text, double max)
{
    char *end = NULL;
    double seconds = strtod(text, &end);
    return end == text || *end != '\0' || !(seconds >= 0 && seconds <= max) ? -1 : seconds;
}

/* 0 if it is none. */
static unsigned interval_ms(const struct import_side *side)
{
    double seconds = read_seconds(import_text(side, IMPORT_INTERVAL, "1"), 40);
    return seconds > 0 ? (unsigned)(seconds * 100 + 0.5) * 10 : 0;
}

/* As the cluster file has it, in milliseconds; *ret_rounded: Keepalived's had more digits. */
static const char *preempt_delay(struct import *k, const struct import_side *side,
                                 bool *ret_rounded)
{
    double seconds =
        read_seconds(import_text(side, IMPORT_PREEMPT_DELAY, ""), KEEPALIVED_DELAY_MAX);
    unsigned ms = seconds < 0 ? 0 : (unsigned)(seconds * 1000 + 0.5);
    double off = seconds * 1000 - ms;
    *ret_rounded = off > 1e-6 || off < -1e-6;
    return ms % 1000 == 0 ? draft_keep(&k->draft, "%us", ms / 1000)
                          : draft_keep(&k->draft, "%ums", ms);
}

/* As long as nothing fails: that is what decides who is preferred. 255 has no weights. */
static unsigned long priority_of(const struct import_side *side)
{
    unsigned long base = strtoul(import_text(side, IMPORT_PRIORITY, KEEPALIVED_PRIORITY), NULL, 10);
    unsigned long sum = base + import_weights(side);
    return base >= 254 ? base : sum < 254 ? sum : 254;
}

/* Its own word, or what the other one calls its only peer. */
static const char *address_of(const struct import *k, unsigned i)
{
    const struct import_side *side = &k->sides[i], *other = &k->sides[1 - i];
    const struct keepalived_statement *peers = other->values[IMPORT_UNICAST];
    if (k->options->addresses[i] != NULL)
        return k->options->addresses[i];
    if (side->values[IMPORT_ADDRESS] != NULL)
        return import_text(side, IMPORT_ADDRESS, "");
    if (peers != NULL && peers->child != NULL && peers->child->next == NULL)
        return peers->child->words[0];
    return "";
}

static bool has_greater_address(const struct import *k, unsigned i)
{
    unsigned char own[sizeof(struct in6_addr)] = {0}, other[sizeof own] = {0};
    const char *a = address_of(k, i), *b = address_of(k, 1 - i);
    int order;
    (void)!inet_pton(strchr(a, ':') != NULL ? AF_INET6 : AF_INET, a, own);
    (void)!inet_pton(strchr(b, ':') != NULL ? AF_INET6 : AF_INET, b, other);
    order = memcmp(own, other, sizeof own);
    return order > 0 || (order == 0 && i == 0);
}

/* The priority in the cluster file, where 255 is reserved and no two nodes have the same: of equals
 * the greater address is preferred, as VRRP has it. */
static unsigned long rank_of(const struct import *k, unsigned i)
{
    unsigned long mine = priority_of(&k->sides[i]), other = priority_of(&k->sides[1 - i]);
    mine = mine == 255 ? 254 : mine;
    other = other == 255 ? 254 : other;
    if (k->n_sides < 2 || mine != other)
        return mine;
    if (has_greater_address(k, i))
        return mine == 1 ? 2 : mine;
    return mine == 1 ? 1 : mine - 1;
}

/* As Keepalived: what is longer than eight characters is cut. */
static const char *password_of(struct import *k, const struct import_side *side)
{
    if (strcmp(version_of(side), "2") != 0 ||
        strcmp(import_text(side, IMPORT_AUTH_TYPE, ""), "PASS") != 0)
        return "";
    return draft_keep(&k->draft, "%.8s", import_text(side, IMPORT_PASSWORD, ""));
}

/* Only with the other side it is known which of the two may preempt. */
static bool may_preempt(const struct import *k, const struct import_side *side)
{
    unsigned i = side == &k->sides[0] ? 0 : 1;
    return k->n_sides < 2 || rank_of(k, i) > rank_of(k, 1 - i);
}

/* --- fates of the values ----------------------------------------------------------------------*/

static void tell_value(const struct import_side *side, enum import_value value,
                       enum keepalived_fate fate, const char *what)
{
    struct keepalived_statement *s = side->values[value];
    if (s != NULL)
        keepalived_tell(s, fate, "%s%s", what,
                        what[0] != '\0' && what[strlen(what) - 1] == ' ' ? keepalived_word(s, 1)
                                                                         : "");
}

static void tell_vrrp(const struct import *k, const struct import_side *side,
                      enum import_value value, const char *what)
{
    tell_value(side, value, k->vrrp ? KEEPALIVED_CARRIED : KEEPALIVED_REPLACED,
               k->vrrp ? what : "the arbiter is raft, which speaks no VRRP");
}

static void tell_authentication(const struct import *k, const struct import_side *side)
{
    const char *type = import_text(side, IMPORT_AUTH_TYPE, "");
    if (side->values[IMPORT_AUTH_TYPE] != NULL && strcmp(type, "PASS") != 0) {
        tell_value(side, IMPORT_AUTH_TYPE, KEEPALIVED_LEFT,
                   "IPsec AH is no part of VRRP any more (RFC 3768)");
        tell_value(side, IMPORT_PASSWORD, KEEPALIVED_LEFT, "of IPsec AH");
    } else if (k->vrrp && strcmp(version_of(side), "2") != 0) {
        tell_value(side, IMPORT_AUTH_TYPE, KEEPALIVED_LEFT, "version 3 has no authentication");
        tell_value(side, IMPORT_PASSWORD, KEEPALIVED_LEFT, "version 3 has no authentication");
    } else {
        tell_vrrp(k, side, IMPORT_AUTH_TYPE, "vrrp.password");
        tell_vrrp(k, side, IMPORT_PASSWORD,
                  strlen(import_text(side, IMPORT_PASSWORD, "")) > 8
                      ? "vrrp.password: its first eight characters, as Keepalived takes them"
                      : "vrrp.password = ");
    }
}

static void tell_priority(const struct import *k, const struct import_side *side)
{
    struct keepalived_statement *s = side->values[IMPORT_PRIORITY];
    unsigned long rank = rank_of(k, side == &k->sides[0] ? 0 : 1);
    if (s == NULL)
        return;
    if (rank == priority_of(side) && import_weights(side) > 0)
        keepalived_tell(s, KEEPALIVED_CARRIED,
                        "priority = %lu, with what is added to it while nothing fails: %lu", rank,
                        import_weights(side));
    else if (rank == priority_of(side))
        keepalived_tell(s, KEEPALIVED_CARRIED, "priority = %lu", rank);
    else
        keepalived_tell(s, KEEPALIVED_CARRIED,
                        "priority = %lu: 255 is reserved, and each node needs its own; of equals "
                        "the greater address is preferred",
                        rank);
}

static void tell_preempt_delay(struct import *k, const struct import_side *side)
{
    struct keepalived_statement *s = side->values[IMPORT_PREEMPT_DELAY];
    bool rounded = false;
    const char *delay = preempt_delay(k, side, &rounded);
    if (s == NULL && side->values[IMPORT_NOPREEMPT] == NULL)
        import_note(side, side->instance,
                    "there is no preempt_delay, so Keepalived takes the addresses back at once; "
                    "policy.preempt_delay is 10 s unless it is set, counted from when the node is "
                    "in sync");
    else if (s != NULL)
        keepalived_tell(s, KEEPALIVED_CARRIED, "policy.preempt_delay = %s%s", delay,
                        rounded ? ", rounded to milliseconds" : "");
}

static void tell_preemption(struct import *k, const struct import_side *side)
{
    bool may = may_preempt(k, side);
    tell_value(side, IMPORT_NOPREEMPT, may ? KEEPALIVED_CARRIED : KEEPALIVED_REPLACED,
               may ? "policy.preempt = false"
                   : "the node has the lower priority and never preempts");
    if (may)
        tell_preempt_delay(k, side);
    else
        tell_value(side, IMPORT_PREEMPT_DELAY, KEEPALIVED_REPLACED,
                   "the node has the lower priority and never preempts");
}

static bool has_word(const struct keepalived_statement *s, const char *word)
{
    for (unsigned i = 1; i < s->n_words; i++) {
        if (strcmp(s->words[i], word) == 0)
            return true;
    }
    return false;
}

static void tell_vips(const struct import *k, const struct import_side *side)
{
    for (unsigned i = 0; i < side->n_vips; i++) {
        const struct import_vip *v = &side->vips[i];
        unsigned used = 1 + (has_word(v->s, "dev") ? 2 : 0) + (v->label != NULL ? 2 : 0);
        keepalived_tell(v->s, KEEPALIVED_CARRIED, "virtual_ipaddress%s%s%s",
                        strchr(v->address, '/') == NULL ? ", of this one address (/32 or /128)"
                                                        : "",
                        used < v->s->n_words ? "; only device and label are kept of it" : "",
                        v->excluded && k->vrrp
                            ? "; it is advertised as well: a Keepalived on the other node would "
                              "have to list it in virtual_ipaddress"
                            : "");
    }
}

static void tell_unicast(const struct import *k, const struct import_side *side)
{
    struct keepalived_statement *block = side->values[IMPORT_UNICAST];
    if (block == NULL)
        return;
    tell_vrrp(k, side, IMPORT_UNICAST, "vrrp.unicast = true");
    if (k->vrrp)
        import_tell_peers(side, address_of(k, side == &k->sides[0] ? 1 : 0));
}

/* Keepalived's names of the device and of its parent do not matter to anybody else. */
static bool takes_vmac(const struct import *k, const struct import_side *side)
{
    return k->vrrp && side->values[IMPORT_VMAC] != NULL && side->values[IMPORT_UNICAST] == NULL;
}

static void tell_vmac(const struct import *k, const struct import_side *side)
{
    bool takes = takes_vmac(k, side);
    tell_value(side, IMPORT_VMAC, takes ? KEEPALIVED_CARRIED : KEEPALIVED_REPLACED,
               takes ? "vrrp.virtual_mac = true"
                     : "neighbours are told when the addresses move; the router's MAC goes with "
                       "multicast advertisements only");
}

/* In whole hundredths of a second, the unit of the protocol. */
static void tell_interval(const struct import *k, const struct import_side *side)
{
    const char *text = import_text(side, IMPORT_INTERVAL, "1");
    double off = read_seconds(text, 40) * 1000 - interval_ms(side);
    if (side->values[IMPORT_INTERVAL] != NULL && k->vrrp && (off > 1e-6 || off < -1e-6))
        keepalived_tell(side->values[IMPORT_INTERVAL], KEEPALIVED_CARRIED,
                        "vrrp.advert_interval = %u ms, rounded to the protocol's hundredths of a "
                        "second",
                        interval_ms(side));
    tell_vrrp(k, side, IMPORT_INTERVAL, "vrrp.advert_interval, in seconds: ");
}

static void tell_side(struct import *k, const struct import_side *side)
{
    const struct import_side *other = side == &k->sides[0] ? &k->sides[1] : &k->sides[0];
    tell_value(side, IMPORT_NAME, KEEPALIVED_CARRIED,
               "name of the node, which has to be its host name, or --node");
    tell_vrrp(k, side, IMPORT_VERSION_ALL, "vrrp.version = ");
    tell_vrrp(k, side, IMPORT_VERSION, "vrrp.version = ");
    tell_value(side, IMPORT_DEVICE, KEEPALIVED_CARRIED, "device of the addresses that name none: ");
    import_tell_routers(side, k->vrrp);
    tell_priority(k, side);
    tell_interval(k, side);
    tell_value(side, IMPORT_ADDRESS, KEEPALIVED_CARRIED, "address = ");
    import_tell_hooks(side);
    tell_vmac(k, side);
    tell_authentication(k, side);
    tell_preemption(k, side);
    tell_unicast(k, side);
    tell_vips(k, side);
    import_tell_group(side);
    import_tell_tracks(side, priority_of(side), k->n_sides < 2 ? 0 : priority_of(other));
}

/* --- both sides -------------------------------------------------------------------------------*/

static void same(struct import *k, enum import_value value, const char *what, const char *a,
                 const char *b)
{
    if (strcmp(a, b) != 0)
        import_error(&k->sides[1], k->sides[1].values[value], "%s is '%s', but '%s' in %s", what, b,
                     a, k->sides[0].path);
}

static void compare_vips(struct import *k)
{
    const struct import_side *a = &k->sides[0], *b = &k->sides[1];
    if (a->n_vips != b->n_vips)
        import_error(b, b->instance, "it has %u addresses, %s has %u", b->n_vips, a->path,
                     a->n_vips);
    for (unsigned i = 0; i < a->n_vips && i < b->n_vips; i++) {
        const struct import_vip *x = &a->vips[i], *y = &b->vips[i];
        if (strcmp(x->address, y->address) != 0)
            import_error(b, y->s, "address '%s', but '%s' at this place in %s", y->address,
                         x->address, a->path);
        if (strcmp(x->device, y->device) != 0)
            import_error(b, y->s, "device '%s', but '%s' in %s; name them alike", y->device,
                         x->device, a->path);
        if (strcmp(x->label != NULL ? x->label : "", y->label != NULL ? y->label : "") != 0)
            import_error(b, y->s, "label differs from that in %s", a->path);
    }
}

/* Address by address: how an instance is called is each side's own matter. */
static void compare_routers(struct import *k)
{
    const struct import_side *a = &k->sides[0], *b = &k->sides[1];
    for (unsigned i = 0; i < a->n_vips && i < b->n_vips; i++) {
        const struct import_vip *x = &a->vips[i], *y = &b->vips[i];
        const char *mine = import_router_id(y->instance), *other = import_router_id(x->instance);
        if (strcmp(mine, other) != 0)
            import_error(b, y->s, "virtual_router_id is '%s', but '%s' in %s", mine, other,
                         a->path);
        else if (import_is_database(a, x->instance) != import_is_database(b, y->instance))
            import_error(b, y->s,
                         "in %s another instance is the database's; say --instance with its name",
                         a->path);
        else if (!import_is_database(b, y->instance) &&
                 import_accepts(a, x->instance) != import_accepts(b, y->instance))
            import_error(b, y->s, "what is sent to it is %s, but %s in %s",
                         import_accepts(b, y->instance) ? "accepted" : "dropped",
                         import_accepts(a, x->instance) ? "accepted" : "dropped", a->path);
    }
}

static void compare_sides(struct import *k)
{
    const struct import_side *a = &k->sides[0], *b = &k->sides[1];
    compare_vips(k);
    if (!k->vrrp)
        return;
    compare_routers(k);
    same(k, IMPORT_VERSION, "version", version_of(a), version_of(b));
    same(k, IMPORT_PASSWORD, "auth_pass", password_of(k, a), password_of(k, b));
    same(k, IMPORT_VMAC, "use_vmac", takes_vmac(k, a) ? "yes" : "no",
         takes_vmac(k, b) ? "yes" : "no");
    same(k, IMPORT_UNICAST, "unicast", a->values[IMPORT_UNICAST] != NULL ? "yes" : "no",
         b->values[IMPORT_UNICAST] != NULL ? "yes" : "no");
    if (interval_ms(a) != interval_ms(b))
        import_error(b, b->values[IMPORT_INTERVAL], "advert_int is %u ms, but %u ms in %s",
                     interval_ms(b), interval_ms(a), a->path);
}

static void find_nodes(struct import *k)
{
    for (unsigned i = 0; i < IMPORT_SIDES; i++) {
        const struct import_side *side = &k->sides[i];
        const char *given = k->options->names[i];
        k->names[i] = given != NULL ? given : name_of(k, import_text(side, IMPORT_NAME, ""));
        k->addresses[i] = address_of(k, i);
        if (k->names[i][0] == '\0')
            import_error(side, NULL, "no router_id tells the node's name; say it with --name NAME");
        if (!import_is_address(k->addresses[i]))
            import_error(side, side->instance,
                         "neither mcast_src_ip nor unicast_src_ip tells the node's address; say it "
                         "with --name NAME=ADDRESS");
    }
    if (k->names[0][0] != '\0' && strcmp(k->names[0], k->names[1]) == 0)
        import_error(&k->sides[1], k->sides[1].values[IMPORT_NAME],
                     "both nodes are called '%s'; say --name for each file", k->names[0]);
}

/* --- the cluster file -------------------------------------------------------------------------*/

static void set_vrrp(struct import *k)
{
    const struct import_side *side = &k->sides[0];
    const char *password = password_of(k, side);
    draft_set(&k->draft, "vrrp", "", "router_id", import_router_id(side->instance));
    draft_set(&k->draft, "vrrp", "", "version", version_of(side));
    draft_set(&k->draft, "vrrp", "", "advert_interval",
              draft_keep(&k->draft, "%u", interval_ms(side)));
    if (password[0] != '\0')
        draft_set(&k->draft, "vrrp", "", "password", password);
    if (side->values[IMPORT_UNICAST] != NULL)
        draft_set(&k->draft, "vrrp", "", "unicast", "true");
    if (takes_vmac(k, side))
        draft_set(&k->draft, "vrrp", "", "virtual_mac", "true");
}

static void set_vips(struct import *k)
{
    const struct import_side *side = &k->sides[0];
    for (unsigned i = 0; i < side->n_vips; i++) {
        const struct import_vip *v = &side->vips[i];
        const char *prefix = strchr(v->address, '/') != NULL   ? ""
                             : strchr(v->address, ':') != NULL ? "/128"
                                                               : "/32";
        const char *title = draft_keep(&k->draft, "%s%s", v->address, prefix);
        draft_set(&k->draft, "virtual_ipaddress", title, "device", v->device);
        if (v->label != NULL)
            draft_set(&k->draft, "virtual_ipaddress", title, "label", v->label);
        if (!k->vrrp || import_is_database(side, v->instance))
            continue;
        draft_set(&k->draft, "virtual_ipaddress", title, "router_id",
                  import_router_id(v->instance));
        if (!import_accepts(side, v->instance))
            draft_set(&k->draft, "virtual_ipaddress", title, "accept", "false");
    }
}

static void set_nodes(struct import *k)
{
    for (unsigned i = 0; i < IMPORT_SIDES; i++) {
        draft_set(&k->draft, "node", k->names[i], "address", k->addresses[i]);
        draft_set(&k->draft, "node", k->names[i], "role", "candidate");
        draft_set(&k->draft, "node", k->names[i], "priority",
                  draft_keep(&k->draft, "%lu", rank_of(k, i)));
    }
    for (unsigned i = 0; i < k->options->n_extra; i++) {
        const struct import_extra *x = &k->options->extra[i];
        draft_set(&k->draft, "node", x->name, "address", x->address);
        draft_set(&k->draft, "node", x->name, "role", x->role);
    }
}

static void set_all(struct import *k)
{
    const struct import_side *better = may_preempt(k, &k->sides[0]) ? &k->sides[0] : &k->sides[1];
    char cluster[NODE_NAME_MAX];
    bool rounded;
    const char *name = name_of(k, keepalived_word(k->sides[0].instance, 1));
    size_t n = strlen(name);
    for (size_t i = 0; i <= n && i < sizeof cluster; i++)
        cluster[i] = (char)tolower((unsigned char)name[i]);
    draft_set(&k->draft, "", "", "cluster",
              k->options->cluster != NULL ? k->options->cluster
                                          : draft_keep(&k->draft, "%s", cluster));
    if (k->vrrp)
        set_vrrp(k);
    /* Where the drop-in of `tandem init --from` lets the server write it. */
    draft_set(&k->draft, "mysql", "", "error_log", "/var/lib/mysql/mysqld-error.log");
    draft_set(&k->draft, "policy", "", "preempt",
              better->values[IMPORT_NOPREEMPT] != NULL ? "false" : "true");
    if (better->values[IMPORT_PREEMPT_DELAY] != NULL)
        draft_set(&k->draft, "policy", "", "preempt_delay", preempt_delay(k, better, &rounded));
    set_vips(k);
    set_nodes(k);
    import_set_hooks(k->sides, k->names, &k->draft);
}

static struct import *import_new(const struct import_options *o, FILE *err)
{
    struct import *k = calloc(1, sizeof *k);
    if (k == NULL)
        return NULL;
    k->options = o;
    k->vrrp = o->n_extra == 0;
    for (unsigned i = 0; i < IMPORT_SIDES; i++) {
        k->sides[i].err = err;
        k->sides[i].n_errors = &k->n_errors;
    }
    return k;
}

static void import_add(struct import *k, struct keepalived_tree *tree, const char *path)
{
    struct import_side *side = &k->sides[k->n_sides++];
    side->path = path;
    side->top = keepalived_tree_top(tree);
    import_gather(side, k->options->instance);
    if (side->values[IMPORT_INTERVAL] != NULL && interval_ms(side) == 0)
        import_error(side, side->values[IMPORT_INTERVAL],
                     "advert_int is '%s'; allowed: seconds up to 40",
                     import_text(side, IMPORT_INTERVAL, ""));
    if (side->values[IMPORT_PREEMPT_DELAY] != NULL &&
        read_seconds(import_text(side, IMPORT_PREEMPT_DELAY, ""), KEEPALIVED_DELAY_MAX) < 0)
        import_error(side, side->values[IMPORT_PREEMPT_DELAY],
                     "preempt_delay is '%s'; allowed: seconds up to %d",
                     import_text(side, IMPORT_PREEMPT_DELAY, ""), KEEPALIVED_DELAY_MAX);
}

static void import_free(struct import *k)
{
    draft_free(&k->draft);
    free(k);
}

int import_look(struct keepalived_tree *tree, const char *path, const struct import_options *o,
                FILE *err)
{
    struct import *k = import_new(o, err);
    int r;
    if (k == NULL)
        return ERR_NOMEM;
    import_add(k, tree, path);
    tell_side(k, &k->sides[0]);
    r = k->n_errors > 0 ? ERR_FORMAT : 0;
    import_free(k);
    return r;
}

int import_translate(struct keepalived_tree *const trees[IMPORT_SIDES],
                     const char *const paths[IMPORT_SIDES], const struct import_options *o,
                     FILE *out, FILE *err)
{
    struct import *k = import_new(o, err);
    int r;
    if (k == NULL)
        return ERR_NOMEM;
    for (unsigned i = 0; i < IMPORT_SIDES; i++)
        import_add(k, trees[i], paths[i]);
    for (unsigned i = 0; i < IMPORT_SIDES; i++)
        tell_side(k, &k->sides[i]);
    if (k->n_errors == 0) {
        compare_sides(k);
        find_nodes(k);
    }
    r = k->n_errors > 0 ? ERR_FORMAT : 0;
    if (r == 0) {
        set_all(k);
        r = draft_write(&k->draft, out);
    }
    import_free(k);
    return r;
}

/* --- the report -------------------------------------------------------------------------------*/

static void report_line(const struct keepalived_statement *s, FILE *out)
{
    static const char *const words[] = {"left", "carried", "replaced", "left"};
    char text[80];
    size_t used = 0;
    for (unsigned i = 0; i < s->n_words && used < sizeof text; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "",
                                 s->words[i]);
    fprintf(out, "%s:%u: %-8s  %s", s->file, s->line, words[s->fate], text);
    if (s->block && s->child != NULL && s->child->fate == KEEPALIVED_UNSEEN)
        fprintf(out, " { %u statements, to line %u }", keepalived_count(s->child), s->end_line);
    fprintf(out, ": %s\n", s->note);
}

/* Statements of a block that was settled as a whole share its fate. */
static void report_list(const struct keepalived_statement *s, enum keepalived_fate inherited,
                        unsigned sums[KEEPALIVED_LEFT + 1], FILE *out)
{
    for (; s != NULL; s = s->next) {
        enum keepalived_fate fate = s->fate != KEEPALIVED_UNSEEN ? s->fate : inherited;
        sums[fate]++;
        if (s->fate != KEEPALIVED_UNSEEN)
            report_line(s, out);
        report_list(s->child, fate, sums, out);
    }
}

void import_report(const struct keepalived_tree *tree, FILE *out)
{
    unsigned sums[KEEPALIVED_LEFT + 1] = {0};
    report_list(keepalived_tree_top(tree), KEEPALIVED_LEFT, sums, out);
    fprintf(out, "%u statements: %u carried over, %u replaced, %u left out\n",
            keepalived_count(keepalived_tree_top(tree)), sums[KEEPALIVED_CARRIED],
            sums[KEEPALIVED_REPLACED], sums[KEEPALIVED_LEFT]);
}
