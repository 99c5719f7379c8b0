/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/import_side.h"

#include <stdarg.h>
#include <string.h>

#include "io/config/import_router.h"
#include "io/config/import_track.h"

enum import_scope { SCOPE_TOP, SCOPE_GLOBAL, SCOPE_INSTANCE, SCOPE_GROUP, SCOPE_AUTH };

struct import_rule {
    enum import_scope scope;
    const char *keyword;
    enum import_value value;
    enum keepalived_fate fate;
    const char *note;
};

static const struct import_rule import_rules[] = {
#define RULE(scope, keyword, value, fate, note) \
    {SCOPE_##scope, keyword, IMPORT_##value, KEEPALIVED_##fate, note},
#include "io/config/import_rules.def"
#undef RULE
};

static void say(const struct import_side *side, const struct keepalived_statement *s,
                const char *kind, const char *fmt, va_list ap) PRINTF_LIKE(4, 0);

static void say(const struct import_side *side, const struct keepalived_statement *s,
                const char *kind, const char *fmt, va_list ap)
{
    if (s != NULL)
        fprintf(side->err, "%s:%u: %s: ", s->file, s->line, kind);
    else
        fprintf(side->err, "%s: %s: ", side->path, kind);
    (void)vfprintf(side->err, fmt, ap);
    fputc('\n', side->err);
}

void import_error(const struct import_side *side, const struct keepalived_statement *s,
                  const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(side, s, "error", fmt, ap);
    va_end(ap);
    (*side->n_errors)++;
}

void import_note(const struct import_side *side, const struct keepalived_statement *s,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(side, s, "note", fmt, ap);
    va_end(ap);
}

const char *import_text(const struct import_side *side, enum import_value value, const char *def)
{
    return side->values[value] != NULL ? keepalived_word(side->values[value], 1) : def;
}

static const struct import_rule *rule_of(enum import_scope scope, const char *keyword)
{
    for (size_t i = 0; i < sizeof import_rules / sizeof *import_rules; i++) {
        if (import_rules[i].scope == scope && strcmp(import_rules[i].keyword, keyword) == 0)
            return &import_rules[i];
    }
    return NULL;
}

static bool is_hook(enum import_value value)
{
    return value >= IMPORT_NOTIFY && value <= IMPORT_NOTIFY_STOP;
}

/* With several instances the first one counts. Where a second word of another kind would change who
 * leads, it is an error. */
static void take_value(struct import_side *side, enum import_value value,
                       struct keepalived_statement *s)
{
    struct keepalived_statement *first = side->values[value];
    if (first == NULL) {
        side->values[value] = s;
        return;
    }
    if (value == IMPORT_UNICAST)
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "a node has one address: the other one's is that of line %u", first->line);
    else if (is_hook(value) && strcmp(keepalived_word(first, 1), keepalived_word(s, 1)) == 0)
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "as in line %u, and called once for each change, by the name of that "
                        "block; Keepalived called it for this block as well",
                        first->line);
    else if (strcmp(keepalived_word(first, 1), keepalived_word(s, 1)) == 0)
        keepalived_tell(s, KEEPALIVED_CARRIED, "as in line %u", first->line);
    else if (value == IMPORT_DEVICE)
        keepalived_tell(s, KEEPALIVED_CARRIED, "device of the instance's addresses");
    else if (value == IMPORT_ADDRESS)
        keepalived_tell(s, KEEPALIVED_LEFT, "a node has one address, here that of line %u",
                        first->line);
    else if (is_hook(value))
        keepalived_tell(s, KEEPALIVED_LEFT, "there is one hook, here that of line %u", first->line);
    else
        import_error(side, s, "%s is %s, but %s in line %u; they have to be the same", s->words[0],
                     keepalived_word(s, 1), keepalived_word(first, 1), first->line);
}

static void settle(struct import_side *side, enum import_scope scope,
                   struct keepalived_statement *s)
{
    const struct import_rule *rule = rule_of(scope, s->words[0]);
    if (import_is_track(s))
        return; /* import_tell_tracks() */
    if ((scope == SCOPE_INSTANCE && import_is_router(s)) ||
        (scope == SCOPE_GLOBAL && import_is_strict(s)))
        return; /* import_tell_routers() */
    if (s->conditional)
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "a conditional line; give the file as it is for this node");
    else if (rule == NULL)
        keepalived_tell(s, KEEPALIVED_LEFT, "it has no counterpart");
    else if (rule->value != IMPORT_NONE)
        take_value(side, rule->value, s);
    else
        keepalived_tell(s, rule->fate, "%s", rule->note);
}

/* ADDRESS[/PREFIX] [dev DEVICE] [label LABEL] and words of ip(8). */
static void take_vip(struct import_side *side, struct keepalived_statement *s,
                     const struct import_vip *common)
{
    struct import_vip *vip = &side->vips[side->n_vips];
    if (s->conditional) {
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "a conditional line; give the file as it is for this node");
        return;
    }
    if (side->n_vips == VIPS_MAX) {
        import_error(side, s, "more than %d addresses", VIPS_MAX);
        return;
    }
    *vip = *common;
    vip->s = s;
    vip->address = s->words[0];
    for (unsigned i = 1; i + 1 < s->n_words; i++) {
        if (strcmp(s->words[i], "dev") == 0)
            vip->device = s->words[++i];
        else if (strcmp(s->words[i], "label") == 0)
            vip->label = s->words[++i];
    }
    side->n_vips++;
}

static void take_vips(struct import_side *side, struct keepalived_statement *block,
                      struct keepalived_statement *instance)
{
    const struct keepalived_statement *interface = keepalived_find(instance->child, "interface");
    const struct import_vip common = {
        .instance = instance,
        .device = interface != NULL ? keepalived_word(interface, 1) : "",
        .excluded = strcmp(block->words[0], "virtual_ipaddress_excluded") == 0};
    keepalived_tell(block, KEEPALIVED_CARRIED, "the addresses in it, one by one");
    for (struct keepalived_statement *s = block->child; s != NULL; s = s->next)
        take_vip(side, s, &common);
}

static void take_instance(struct import_side *side, struct keepalived_statement *instance)
{
    if (side->n_instances == IMPORT_INSTANCES_MAX) {
        import_error(side, instance, "more than %d instances that move together",
                     IMPORT_INSTANCES_MAX);
        return;
    }
    side->instances[side->n_instances++] = instance;
    keepalived_tell(instance, KEEPALIVED_CARRIED, "the statements in it, one by one");
    for (struct keepalived_statement *s = instance->child; s != NULL; s = s->next) {
        if (s->conditional) {
            settle(side, SCOPE_INSTANCE, s);
        } else if (strncmp(s->words[0], "virtual_ipaddress", 17) == 0) {
            take_vips(side, s, instance);
        } else if (strcmp(s->words[0], "authentication") == 0) {
            keepalived_tell(s, KEEPALIVED_CARRIED, "the statements in it, one by one");
            for (struct keepalived_statement *a = s->child; a != NULL; a = a->next)
                settle(side, SCOPE_AUTH, a);
        } else if (strcmp(s->words[0], "unicast_peer") == 0) {
            take_value(side, IMPORT_UNICAST, s);
        } else {
            settle(side, SCOPE_INSTANCE, s);
        }
    }
}

static bool is_in_group(const struct keepalived_statement *group, const char *instance)
{
    const struct keepalived_statement *members = keepalived_find(group->child, "group");
    for (const struct keepalived_statement *s = members != NULL ? members->child : NULL; s != NULL;
         s = s->next) {
        for (unsigned i = 0; i < s->n_words; i++) {
            if (strcmp(s->words[i], instance) == 0)
                return true;
        }
    }
    return false;
}

/* The sync group of the instance, NULL if it is in none. */
static struct keepalived_statement *group_of(const struct import_side *side, const char *instance)
{
    struct keepalived_statement *s = side->top;
    while ((s = keepalived_find(s, "vrrp_sync_group")) != NULL && !is_in_group(s, instance))
        s = s->next;
    return s;
}

static const char *choose_instance(struct import_side *side, const char *wanted)
{
    struct keepalived_statement *first = keepalived_find(side->top, "vrrp_instance"), *s = first;
    struct keepalived_statement *group;
    if (first == NULL) {
        import_error(side, NULL, "there is no vrrp_instance in it");
        return NULL;
    }
    if (wanted != NULL)
        return wanted;
    group = group_of(side, keepalived_word(first, 1));
    while ((s = keepalived_find(s->next, "vrrp_instance")) != NULL) {
        if (group == NULL || !is_in_group(group, keepalived_word(s, 1))) {
            import_error(side, s,
                         "several instances that do not move together, '%s' and '%s'; say with "
                         "--instance which one is the database's",
                         keepalived_word(first, 1), keepalived_word(s, 1));
            return NULL;
        }
    }
    return keepalived_word(first, 1);
}

static void take_group(struct import_side *side, struct keepalived_statement *group)
{
    struct keepalived_statement *members = keepalived_find(group->child, "group");
    side->group = group;
    keepalived_tell(group, KEEPALIVED_CARRIED, "all addresses move together");
    if (members == NULL)
        return;
    keepalived_tell(members, KEEPALIVED_CARRIED, "all addresses move together");
    for (struct keepalived_statement *s = members->child; s != NULL; s = s->next)
        keepalived_tell(s, KEEPALIVED_CARRIED, "the instance is taken");
    for (struct keepalived_statement *s = group->child; s != NULL; s = s->next) {
        if (s != members)
            settle(side, SCOPE_GROUP, s);
    }
}

static void gather_instances(struct import_side *side, const char *wanted)
{
    const char *name = choose_instance(side, wanted);
    struct keepalived_statement *group = name != NULL ? group_of(side, name) : NULL;
    for (struct keepalived_statement *s = side->top; s != NULL; s = s->next) {
        bool mine = name != NULL && !s->conditional && strcmp(s->words[0], "vrrp_instance") == 0 &&
                    (strcmp(keepalived_word(s, 1), name) == 0 ||
                     (group != NULL && is_in_group(group, keepalived_word(s, 1))));
        if (mine)
            take_instance(side, s);
    }
    if (group != NULL)
        take_group(side, group);
    import_choose_router(side, wanted);
    if (name != NULL && side->instance == NULL)
        import_error(side, NULL, "there is no vrrp_instance '%s' in it", name);
}

void import_gather(struct import_side *side, const char *wanted)
{
    gather_instances(side, wanted);
    for (struct keepalived_statement *s = side->top; s != NULL; s = s->next) {
        if (s->fate != KEEPALIVED_UNSEEN)
            continue;
        if (strcmp(s->words[0], "vrrp_instance") == 0 ||
            strcmp(s->words[0], "vrrp_sync_group") == 0) {
            keepalived_tell(
                s, KEEPALIVED_LEFT,
                "not the database's; one cluster file has one set of addresses that move together");
        } else if (strcmp(s->words[0], "global_defs") == 0 && !s->conditional) {
            keepalived_tell(s, KEEPALIVED_CARRIED, "the statements in it, one by one");
            for (struct keepalived_statement *g = s->child; g != NULL; g = g->next)
                settle(side, SCOPE_GLOBAL, g);
        } else {
            settle(side, SCOPE_TOP, s);
        }
    }
}
