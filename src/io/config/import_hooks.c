/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/import_hooks.h"

#include <string.h>

#include "wire/config.h"

struct hook_name {
    enum import_value value;
    const char *option;
};

static const struct hook_name hook_names[] = {
    {IMPORT_NOTIFY, "notify"},
    {IMPORT_NOTIFY_MASTER, "notify_master"},
    {IMPORT_NOTIFY_BACKUP, "notify_backup"},
    {IMPORT_NOTIFY_FAULT, "notify_fault"},
    {IMPORT_NOTIFY_STOP, "notify_stop"},
};

#define HOOK_NAMES (sizeof hook_names / sizeof *hook_names)

/* "" if there is none, or none that can be taken. */
static const char *hook_command(const struct import_side *side, enum import_value value)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789/_.,:=@+- \t";
    const char *text = import_text(side, value, "");
    if (text[0] != '/' || strlen(text) >= COMMAND_TEXT_MAX || text[strspn(text, plain)] != '\0')
        return "";
    return text;
}

/* Keepalived starts each and looks after none. */
static void hook_note(const struct import_side *side)
{
    const struct keepalived_statement *first = NULL;
    for (size_t i = 0; i < HOOK_NAMES; i++) {
        const struct keepalived_statement *s = side->values[hook_names[i].value];
        if (hook_command(side, hook_names[i].value)[0] != '\0' &&
            (first == NULL || s->line < first->line))
            first = s;
    }
    if (first != NULL)
        import_note(side, first,
                    "hooks are called one after another (up to eight changes wait), and one that "
                    "runs for longer than "
                    "hooks.notify_timeout, 10 s unless it is set (600 s at most), is killed with "
                    "all that it started; Keepalived lets its scripts run side by side and without "
                    "a limit");
}

void import_tell_hooks(const struct import_side *side)
{
    hook_note(side);
    for (size_t i = 0; i < HOOK_NAMES; i++) {
        struct keepalived_statement *s = side->values[hook_names[i].value];
        if (s == NULL)
            continue;
        if (hook_command(side, hook_names[i].value)[0] == '\0')
            keepalived_tell(s, KEEPALIVED_LEFT,
                            "hooks.%s is a command line for a shell, which would read this in "
                            "another way: write a script around it",
                            hook_names[i].option);
        else
            keepalived_tell(
                s, KEEPALIVED_CARRIED,
                "hooks.%s; take out of it whatever changes replication, addresses or servers: the "
                "agents do that%s%s",
                hook_names[i].option, s->n_words > 2 ? "; run as the agent's user, not as " : "",
                s->n_words > 2 ? s->words[2] : "");
    }
}

static void hook_set(const char *option, const char *const texts[2], const char *const names[2],
                     struct draft *draft)
{
    if (strcmp(texts[0], texts[1]) == 0) {
        if (texts[0][0] != '\0')
            draft_set(draft, "hooks", "", option, texts[0]);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (texts[i][0] != '\0')
            draft_set(draft, "node", names[i], option, texts[i]);
    }
}

/* What Keepalived calls the sender: the sync group where notify is the group's. */
static const struct keepalived_statement *hook_sender(const struct import_side *side)
{
    const struct keepalived_statement *s =
        side->group != NULL ? keepalived_find(side->group->child, "notify") : NULL;
    return s != NULL && s == side->values[IMPORT_NOTIFY] ? side->group : side->instance;
}

void import_set_hooks(const struct import_side sides[2], const char *const names[2],
                      struct draft *draft)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *types[2] = {"", ""}, *senders[2] = {"", ""};
    for (size_t i = 0; i < HOOK_NAMES; i++) {
        const char *const texts[2] = {hook_command(&sides[0], hook_names[i].value),
                                      hook_command(&sides[1], hook_names[i].value)};
        hook_set(hook_names[i].option, texts, names, draft);
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct keepalived_statement *sender = hook_sender(&sides[i]);
        const char *name = keepalived_word(sender, 1);
        if (hook_command(&sides[i], IMPORT_NOTIFY)[0] == '\0')
            continue;
        types[i] = sender == sides[i].group ? "GROUP" : "";
        if (strlen(name) < NODE_NAME_MAX && name[0] != '.' && name[0] != '_' && name[0] != '-' &&
            name[strspn(name, allowed)] == '\0')
            senders[i] = name;
    }
    hook_set("notify_type", types, names, draft);
    hook_set("notify_name", senders, names, draft);
}
