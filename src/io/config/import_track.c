/* SPDX-License-Identifier: Apache-2.0 */
#include "io/config/import_track.h"

#include <stdlib.h>
#include <string.h>

#define WATCHES "the agent watches mysqld by itself: its process, its answers, its disk"

static const struct track_kind {
    const char *block;      /* in an instance or a group: what it tracks */
    const char *definition; /* outside: what that means; NULL: the name says it */
} track_kinds[] = {
    {"track_script", "vrrp_script"},
    {"track_process", "vrrp_track_process"},
    {"track_interface", NULL},
};
#define TRACK_KINDS (sizeof track_kinds / sizeof *track_kinds)

/* Statements of a definition; others have no counterpart. */
static const struct {
    const char *keyword;
    const char *note;
} track_statements[] = {
    {"script", WATCHES "; what else the script looks at, nobody does any more"},
    {"process", WATCHES "; another process than mysqld is not watched"},
    {"interval", "policy.probe_interval, for the agent's own questions to mysqld"},
    {"timeout", "policy.probe_timeout, for the agent's own questions to mysqld"},
    {"fall", "policy.probe_fall, for failures that may pass; a crash counts at once"},
    {"rise", "policy.probe_rise"},
    {"user", "the agent asks by itself"},
    {"init_fail", "a server that was not asked yet does not lead"},
};

struct track_weight {
    long weight;
    bool reverse;
};

bool import_is_track(const struct keepalived_statement *s)
{
    for (size_t i = 0; i < TRACK_KINDS; i++) {
        const struct track_kind *k = &track_kinds[i];
        if (strcmp(s->words[0], k->block) == 0 ||
            (k->definition != NULL && strcmp(s->words[0], k->definition) == 0))
            return !s->conditional;
    }
    return false;
}

/* "weight N [reverse]" behind the first `from` words; false: there is none. */
static bool track_read(const struct keepalived_statement *s, unsigned from, struct track_weight *w)
{
    for (unsigned i = from; i + 1 < s->n_words; i++) {
        if (strcmp(s->words[i], "weight") != 0)
            continue;
        w->weight = strtol(s->words[i + 1], NULL, 10);
        w->reverse = strcmp(keepalived_word(s, i + 2), "reverse") == 0;
        return true;
    }
    return false;
}

static struct keepalived_statement *track_definition(const struct import_side *side,
                                                     const struct track_kind *k, const char *name)
{
    struct keepalived_statement *s = k->definition != NULL ? side->top : NULL;
    while ((s = keepalived_find(s, k->definition)) != NULL) {
        if (!s->conditional && strcmp(keepalived_word(s, 1), name) == 0)
            return s;
        s = s->next;
    }
    return NULL;
}

/* Its own word, or that of the definition; 0: a failure puts the node out. */
static struct track_weight track_weight_of(const struct import_side *side,
                                           const struct track_kind *k,
                                           const struct keepalived_statement *entry)
{
    struct track_weight w = {.weight = 0};
    struct keepalived_statement *d = track_definition(side, k, entry->words[0]);
    /* Keepalived tells, and goes on without it. */
    if (d == NULL && k->definition != NULL)
        return w;
    if (!track_read(entry, 1, &w) && d != NULL && (d = keepalived_find(d->child, "weight")) != NULL)
        (void)track_read(d, 0, &w);
    return w;
}

static unsigned long track_sum(const struct import_side *side, struct keepalived_statement *list)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < TRACK_KINDS; i++) {
        const struct track_kind *k = &track_kinds[i];
        struct keepalived_statement *block = keepalived_find(list, k->block);
        for (struct keepalived_statement *s = block != NULL && !block->conditional ? block->child
                                                                                   : NULL;
             s != NULL; s = s->next) {
            struct track_weight w = track_weight_of(side, k, s);
            if (!s->conditional && !w.reverse && w.weight > 0)
                sum += (unsigned long)w.weight;
        }
    }
    return sum;
}

/* The blocks that were taken: everything else of that kind is left out as a whole. */
static bool is_taken(const struct keepalived_statement *s)
{
    return s->fate == KEEPALIVED_CARRIED && (strcmp(s->words[0], "vrrp_instance") == 0 ||
                                             strcmp(s->words[0], "vrrp_sync_group") == 0);
}

unsigned long import_weights(const struct import_side *side)
{
    unsigned long sum = 0;
    for (struct keepalived_statement *s = side->top; s != NULL; s = s->next) {
        if (s == side->instance || (is_taken(s) && strcmp(s->words[0], "vrrp_sync_group") == 0))
            sum += track_sum(side, s->child);
    }
    return sum;
}

/* ---- fates ---- */

static void tell_weight(struct keepalived_statement *s, struct track_weight w, unsigned long ok,
                        unsigned long other_ok)
{
    long failed = (long)ok - (w.weight < 0 ? -w.weight : w.weight);
    failed = failed < 1 ? 1 : failed;
    if (w.weight == 0)
        keepalived_tell(s, KEEPALIVED_REPLACED,
                        "no weight, a failure puts the node out: a node whose server fails does "
                        "not lead");
    else if (w.reverse)
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "weight %ld reverse: what lowers the priority by succeeding has no "
                        "counterpart",
                        w.weight);
    else if (other_ok == 0)
        keepalived_tell(s, KEEPALIVED_REPLACED,
                        "weight %ld: a failure takes the priority from %lu to %ld; with Tandem a "
                        "node whose server fails does not lead",
                        w.weight, ok, failed);
    else if (ok > other_ok && failed > (long)other_ok)
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "weight %ld: a failure takes the priority from %lu to %ld, still above "
                        "the other node's %lu, so that nothing moves; with Tandem a node whose "
                        "server fails does not lead",
                        w.weight, ok, failed, other_ok);
    else
        keepalived_tell(s, KEEPALIVED_REPLACED,
                        "weight %ld: a failure takes the priority from %lu to %ld, the other node "
                        "has %lu: a node whose server fails does not lead",
                        w.weight, ok, failed, other_ok);
}

static void tell_block(const struct import_side *side, const struct track_kind *k,
                       struct keepalived_statement *block, unsigned long ok, unsigned long other_ok)
{
    keepalived_tell(block, KEEPALIVED_REPLACED, "what it tracks, one by one");
    for (struct keepalived_statement *s = block->child; s != NULL; s = s->next) {
        struct track_weight w = track_weight_of(side, k, s);
        if (s->conditional)
            keepalived_tell(s, KEEPALIVED_LEFT,
                            "a conditional line; give the file as it is for this node");
        else if (k->definition == NULL)
            keepalived_tell(s, KEEPALIVED_LEFT,
                            "only the device of the addresses is watched: a node without it does "
                            "not lead, whatever the weight");
        else if (k->definition != NULL && track_definition(side, k, s->words[0]) == NULL)
            keepalived_tell(s, KEEPALIVED_LEFT, "there is no %s '%s' in the file", k->definition,
                            s->words[0]);
        else
            tell_weight(s, w, ok, other_ok);
    }
}

static void tell_statement(struct keepalived_statement *s)
{
    if (s->conditional) {
        keepalived_tell(s, KEEPALIVED_LEFT,
                        "a conditional line; give the file as it is for this node");
        return;
    }
    if (strcmp(s->words[0], "weight") == 0) {
        keepalived_tell(s, KEEPALIVED_REPLACED, "see where it is tracked");
        return;
    }
    for (size_t i = 0; i < sizeof track_statements / sizeof *track_statements; i++) {
        if (strcmp(s->words[0], track_statements[i].keyword) == 0)
            keepalived_tell(s, KEEPALIVED_REPLACED, "%s", track_statements[i].note);
    }
    keepalived_tell(s, KEEPALIVED_LEFT, "it has no counterpart");
}

static bool tracks(struct keepalived_statement *list, const struct track_kind *k, const char *name)
{
    for (struct keepalived_statement *b = list; (b = keepalived_find(b, k->block)) != NULL;
         b = b->next) {
        if (keepalived_find(b->child, name) != NULL)
            return true;
    }
    return false;
}

static bool is_tracked(const struct import_side *side, const struct track_kind *k, const char *name)
{
    for (const struct keepalived_statement *s = side->top; s != NULL; s = s->next) {
        if (is_taken(s) && tracks(s->child, k, name))
            return true;
    }
    return false;
}

static void tell_definition(const struct import_side *side, const struct track_kind *k,
                            struct keepalived_statement *d)
{
    if (!is_tracked(side, k, keepalived_word(d, 1))) {
        keepalived_tell(d, KEEPALIVED_LEFT, "nothing that is taken tracks it");
        return;
    }
    keepalived_tell(d, KEEPALIVED_REPLACED, "the statements in it, one by one");
    for (struct keepalived_statement *s = d->child; s != NULL; s = s->next)
        tell_statement(s);
}

void import_tell_tracks(const struct import_side *side, unsigned long ok, unsigned long other_ok)
{
    for (struct keepalived_statement *s = side->top; s != NULL; s = s->next) {
        for (size_t i = 0; i < TRACK_KINDS; i++) {
            const struct track_kind *k = &track_kinds[i];
            if (k->definition != NULL && !s->conditional && strcmp(s->words[0], k->definition) == 0)
                tell_definition(side, k, s);
            for (struct keepalived_statement *b = is_taken(s) ? s->child : NULL; b != NULL;
                 b = b->next) {
                if (!b->conditional && strcmp(b->words[0], k->block) == 0)
                    tell_block(side, k, b, ok, other_ok);
            }
        }
    }
}
