/* SPDX-License-Identifier: Apache-2.0 */
/* What accept mode an instance has: vrrp_complete_instance() of Keepalived 2.2. */
#include "io/config/import_router.h"

#include <string.h>
#include <strings.h>

#define KEEPALIVED_ROUTER_ID "51" /* unless it is set */
#define KEEPALIVED_OWNER "255"    /* of the addresses; never drops */

static bool word_is(const struct keepalived_statement *s, unsigned i, const char *word)
{
    return strcmp(keepalived_word(s, i), word) == 0;
}

bool import_is_router(const struct keepalived_statement *s)
{
    static const char *const words[] = {"virtual_router_id", "accept", "no_accept", "strict_mode"};
    for (size_t i = 0; i < sizeof words / sizeof *words && !s->conditional; i++) {
        if (word_is(s, 0, words[i]))
            return true;
    }
    return false;
}

bool import_is_strict(const struct keepalived_statement *s)
{
    return !s->conditional && word_is(s, 0, "vrrp_strict");
}

/* The last one counts, as with Keepalived; NULL: none. */
static struct keepalived_statement *find_last(struct keepalived_statement *list, const char *word)
{
    struct keepalived_statement *last = NULL;
    for (; list != NULL; list = list->next)
        last = !list->conditional && word_is(list, 0, word) ? list : last;
    return last;
}

const char *import_router_id(const struct keepalived_statement *instance)
{
    const struct keepalived_statement *s = find_last(instance->child, "virtual_router_id");
    return s != NULL ? keepalived_word(s, 1) : KEEPALIVED_ROUTER_ID;
}

bool import_is_database(const struct import_side *side, const struct keepalived_statement *instance)
{
    return strcmp(import_router_id(instance), import_router_id(side->instance)) == 0;
}

/* A statement of any global_defs, which may be there more than once. */
static struct keepalived_statement *find_global(const struct import_side *side, const char *word)
{
    struct keepalived_statement *found = NULL;
    for (struct keepalived_statement *s = side->top; s != NULL; s = s->next) {
        struct keepalived_statement *one =
            !s->conditional && word_is(s, 0, "global_defs") ? find_last(s->child, word) : NULL;
        found = one != NULL ? one : found;
    }
    return found;
}

static bool is_strict(const struct import_side *side, const struct keepalived_statement *instance)
{
    static const char *const off[] = {"off", "false", "no"};
    const struct keepalived_statement *s = find_last(instance->child, "strict_mode");
    if (s == NULL)
        return find_global(side, "vrrp_strict") != NULL;
    for (size_t i = 0; i < sizeof off / sizeof *off; i++) {
        if (word_is(s, 1, off[i]))
            return false;
    }
    return true;
}

static bool has_ipv6(const struct import_side *side, const struct keepalived_statement *instance)
{
    for (unsigned i = 0; i < side->n_vips; i++) {
        if (side->vips[i].instance == instance && strchr(side->vips[i].address, ':') != NULL)
            return true;
    }
    return false;
}

bool import_is_version_2(const struct import_side *side,
                         const struct keepalived_statement *instance)
{
    const struct keepalived_statement *s = find_last(instance->child, "version");
    s = s != NULL ? s : find_global(side, "vrrp_version");
    return !has_ipv6(side, instance) && (s == NULL || word_is(s, 1, "2"));
}

bool import_accepts(const struct import_side *side, const struct keepalived_statement *instance)
{
    const struct keepalived_statement *priority = find_last(instance->child, "priority");
    bool strict = is_strict(side, instance);
    bool accept = !strict;
    if (priority != NULL && word_is(priority, 1, KEEPALIVED_OWNER))
        return true;
    for (const struct keepalived_statement *s = instance->child; s != NULL; s = s->next) {
        if (!s->conditional && (word_is(s, 0, "accept") || word_is(s, 0, "no_accept")))
            accept = word_is(s, 0, "accept");
    }
    /* RFC 3768 has no accept mode: strictness resets the word. */
    return accept && !(strict && import_is_version_2(side, instance));
}

void import_choose_router(struct import_side *side, const char *wanted)
{
    for (unsigned i = 0; i < side->n_instances && side->instance == NULL; i++) {
        struct keepalived_statement *s = side->instances[i];
        if (wanted != NULL ? word_is(s, 1, wanted) : import_accepts(side, s))
            side->instance = s;
    }
    if (side->instance == NULL && side->n_instances > 0)
        side->instance = side->instances[0];
}

/* --- fates ------------------------------------------------------------------------------------*/

static void tell_id(const struct import_side *side, struct keepalived_statement *s, bool database,
                    bool vrrp)
{
    const char *own = keepalived_word(s, 1);
    if (!vrrp)
        keepalived_tell(s, KEEPALIVED_REPLACED, "the arbiter is raft, which speaks no VRRP");
    else if (database)
        keepalived_tell(s, KEEPALIVED_CARRIED, "vrrp.router_id = %s", own);
    else
        keepalived_tell(s, KEEPALIVED_CARRIED,
                        "router_id = %s, of its addresses; the database's "
                        "are advertised with %s",
                        own, import_router_id(side->instance));
}

static void tell_accept(struct keepalived_statement *s, bool accepts, bool database, bool vrrp)
{
    if (accepts)
        keepalived_tell(s, KEEPALIVED_CARRIED, "its addresses are answered, which is the default");
    else if (!vrrp)
        keepalived_tell(s, KEEPALIVED_REPLACED,
                        "with arbiter raft all addresses are the database's: its clients talk to "
                        "them, so they are answered");
    else if (database)
        keepalived_tell(s, KEEPALIVED_REPLACED,
                        "clients of the database talk to its addresses, so they are answered");
    else
        keepalived_tell(s, KEEPALIVED_CARRIED, "accept = false, of its addresses");
}

static void tell_strict(struct keepalived_statement *s, bool held)
{
    if (held)
        keepalived_tell(s, KEEPALIVED_CARRIED,
                        "accept = false, of addresses that are not the database's; what else it "
                        "forbids, nothing looks for");
    else
        keepalived_tell(s, KEEPALIVED_REPLACED,
                        "clients of the database talk to its addresses, so they are answered; what "
                        "else it forbids, nothing looks for");
}

static void tell_global(const struct import_side *side, bool vrrp)
{
    bool held = false;
    for (unsigned i = 0; vrrp && i < side->n_instances; i++)
        held |= !import_is_database(side, side->instances[i]) &&
                !import_accepts(side, side->instances[i]);
    for (struct keepalived_statement *top = side->top; top != NULL; top = top->next) {
        bool global = !top->conditional && word_is(top, 0, "global_defs");
        for (struct keepalived_statement *s = global ? top->child : NULL; s != NULL; s = s->next) {
            if (import_is_strict(s))
                tell_strict(s, held);
        }
    }
}

static bool is_link_local(const char *address)
{
    return strncasecmp(address, "fe", 2) == 0 && address[2] != '\0' &&
           strchr("89aAbB", address[2]) != NULL;
}

/* Of each virtual router of IPv6 the first address. Keepalived 2.2 says the same of its own file,
 * and looks for it in nobody's advertisements. */
static void tell_link_local(const struct import_side *side)
{
    for (unsigned i = 0; i < side->n_vips; i++) {
        const struct import_vip *v = &side->vips[i];
        bool first = strchr(v->address, ':') != NULL && !is_link_local(v->address);
        for (unsigned j = 0; first && j < i; j++)
            first = strchr(side->vips[j].address, ':') == NULL ||
                    strcmp(import_router_id(side->vips[j].instance),
                           import_router_id(v->instance)) != 0;
        if (first)
            import_note(side, v->s,
                        "the first IPv6 address of virtual router %s is not a link-local one "
                        "(fe80::/10), which RFC 9568 5.2.9 wants; Keepalived takes that, another "
                        "router may not",
                        import_router_id(v->instance));
    }
}

void import_tell_routers(const struct import_side *side, bool vrrp)
{
    if (vrrp)
        tell_link_local(side);
    for (unsigned i = 0; i < side->n_instances; i++) {
        const struct keepalived_statement *instance = side->instances[i];
        bool database = import_is_database(side, instance);
        bool accepts = import_accepts(side, instance);
        for (struct keepalived_statement *s = instance->child; s != NULL; s = s->next) {
            if (!import_is_router(s))
                continue;
            if (word_is(s, 0, "virtual_router_id"))
                tell_id(side, s, database, vrrp);
            else
                tell_accept(s, accepts, database, vrrp);
        }
    }
    tell_global(side, vrrp);
}
