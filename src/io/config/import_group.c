/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/import_group.h"

#include <string.h>

#include "io/config/import_router.h"

static const struct {
    enum import_value value;
    const char *block; /* "": of the instance itself */
    const char *keyword;
    const char *text; /* Keepalived's, unless it is set; NULL: nothing like it */
} group_values[] = {
    {IMPORT_PRIORITY, "", "priority", "100"},
    {IMPORT_INTERVAL, "", "advert_int", "1"},
    {IMPORT_NOPREEMPT, "", "nopreempt", NULL},
    {IMPORT_PREEMPT_DELAY, "", "preempt_delay", "0"},
    {IMPORT_VMAC, "", "use_vmac", NULL},
    {IMPORT_PASSWORD, "authentication", "auth_pass", NULL},
    {IMPORT_UNICAST, "", "unicast_peer", NULL},
    {IMPORT_VERSION, "", "version", NULL},
};

#define GROUP_VALUES (sizeof group_values / sizeof *group_values)

static bool has(struct keepalived_statement *list, const char *block, const char *keyword)
{
    for (const struct keepalived_statement *s = list; s != NULL; s = s->next) {
        if (s->conditional)
            continue;
        if (strcmp(s->words[0], block[0] != '\0' ? block : keyword) == 0 &&
            (block[0] == '\0' || has(s->child, "", keyword)))
            return true;
    }
    return false;
}

static void tell_one(const struct import_side *side, const struct keepalived_statement *instance,
                     size_t i)
{
    const struct keepalived_statement *value = side->values[group_values[i].value];
    const char *text = group_values[i].text;
    if (group_values[i].value == IMPORT_VERSION)
        text = import_is_version_2(side, instance) ? "2" : "3";
    if (value == NULL || value->fate != KEEPALIVED_CARRIED ||
        has(instance->child, group_values[i].block, group_values[i].keyword) ||
        (text != NULL && strcmp(text, keepalived_word(value, 1)) == 0))
        return;
    import_note(side, instance,
                "vrrp_instance %s has no %s%s%s%s; that of line %u is taken for all instances, "
                "since they move together",
                keepalived_word(instance, 1), group_values[i].keyword,
                text != NULL ? " (with Keepalived " : "", text != NULL ? text : "",
                text != NULL ? ")" : "", value->line);
}

void import_tell_group(const struct import_side *side)
{
    for (unsigned n = 0; n < side->n_instances; n++) {
        for (size_t i = 0; i < GROUP_VALUES; i++)
            tell_one(side, side->instances[n], i);
    }
}
