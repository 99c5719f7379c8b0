/* SPDX-License-Identifier: Apache-2.0 */
/* What a node of a pair tells its core, its operator and the other agent: each thing once. */
#include <stdio.h>
#include <string.h>

#include "arbiter/pair_node.h"

#define PAIR_AGAIN_US 500000      /* a record that did not arrive is sent again */
#define PAIR_SAY_US 1000000       /* the own patience is said again */
#define PAIR_DEAF_SHARE 5         /* so many intervals without the leader's advertisement */
#define PAIR_STRANGER_US 30000000 /* told for so long after its last word */

void pair_tell_leader(struct pair_node *n)
{
    unsigned leader = n->leading ? n->cfg.self : NODE_NONE;
    uint64_t term = n->state.term;
    if (!n->leading && n->peer.in_touch && n->peer.leads && n->peer.leads_term == term)
        leader = n->other;
    if (leader == n->told_leader && term == n->told_term)
        return;
    n->told_leader = leader;
    n->told_term = term;
    n->cfg.callbacks.on_leader(n->cfg.callbacks.data, term, leader);
}

static const char *other_name(const struct pair_node *n)
{
    return n->cfg.cluster->nodes[n->other].name;
}

/* It leads, its agent is in touch, and no Master is heard. */
static bool is_deaf(const struct pair_node *n)
{
    int64_t silent_us = n->cfg.callbacks.now_us(n->cfg.callbacks.data) - n->heard_advert_us;
    return n->peer.in_touch && n->peer.leads && silent_us > PAIR_DEAF_SHARE * n->timing.advert_us;
}

static bool is_disturbed(const struct pair_node *n)
{
    int64_t now_us = n->cfg.callbacks.now_us(n->cfg.callbacks.data);
    return n->stranger_us != 0 && now_us - n->stranger_us < PAIR_STRANGER_US;
}

/* Of the family that the other node's address in that router has: an IPv4 address is followed by
 * zeros. IPv6 without its short form. */
static void put_stranger(const struct pair_node *n, char *ret_text, size_t size)
{
    static const uint8_t zeros[12];
    const uint8_t *other = n->cfg.other[n->stranger_router].bytes;
    const uint8_t *b = n->stranger.bytes;
    bool v4 = memcmp(other + 4, zeros, sizeof zeros) == 0;
    size_t at = 0;
    if (v4)
        at = (size_t)snprintf(ret_text, size, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
    for (unsigned i = 0; !v4 && i < 16; i += 2)
        at += (size_t)snprintf(ret_text + at, size - at, "%s%x", i == 0 ? "" : ":",
                               (unsigned)(b[i] << 8 | b[i + 1]));
    (void)snprintf(ret_text + at, size - at, " advertises with priority %u and is neither node",
                   n->stranger_priority);
}

static void put_trouble(const struct pair_node *n, char *ret_text, size_t size)
{
    const char *other = other_name(n);
    ret_text[0] = '\0';
    if (n->disk_failed)
        (void)snprintf(ret_text, size, "the record cannot be written to the disk");
    else if (pair_is_mute(n))
        (void)snprintf(ret_text, size, "cannot advertise: %.90s", n->mute_text);
    else if ((n->vrrp.faults & VRRP_FAULT_ISOLATED) != 0)
        (void)snprintf(ret_text, size,
                       "neither %s nor an arbitration address answers: not the writer", other);
    else if (is_disturbed(n))
        put_stranger(n, ret_text, size);
    else if (is_deaf(n))
        (void)snprintf(ret_text, size,
                       "%s leads and its advertisements are not heard: is protocol 112 or "
                       "multicast blocked?",
                       other);
    else if (n->verdict == PAIR_HOLD && !n->leading)
        (void)snprintf(ret_text, size, "not taken over: %s", n->rule->text);
}

void pair_tell_trouble(struct pair_node *n)
{
    char text[DETAIL_TEXT_MAX];
    put_trouble(n, text, sizeof text);
    if (n->verdict == PAIR_HOLD && !n->leading && n->told_rule != n->rule->id)
        LOG(&n->cfg.log, WARNING, "pair-holds", "the Master does not lead rule=pair/%u why='%s'",
            n->rule->id, n->rule->text);
    n->told_rule = n->verdict == PAIR_HOLD ? n->rule->id : 0;
    if (strcmp(text, n->told_trouble) == 0)
        return;
    memcpy(n->told_trouble, text, sizeof text);
    n->cfg.callbacks.on_trouble(n->cfg.callbacks.data, text);
}

/* Said instead of an echo: at first there is none, and then seldom enough. */
static void say_patience(struct pair_node *n, struct pair_message *m, int64_t now_us)
{
    bool first = n->peer.nonce == 0;
    if (first || (!n->send_due && now_us - n->said_us >= PAIR_SAY_US)) {
        m->patience_us = n->patience_us;
        n->said_us = now_us;
    } else {
        m->echo = n->peer.nonce;
    }
}

/* A leader that waits for this disk would wait for ever. Of a silent node it knows when it may go
 * on alone; and who is silent hears no echo, so that it counts itself a member no longer by then.
 */
static bool is_better_silent(const struct pair_node *n)
{
    return n->disk_failed && !n->leading && n->peer.waits;
}

void pair_tell_peer(struct pair_node *n)
{
    struct pair_message m;
    int64_t now_us = n->cfg.callbacks.now_us(n->cfg.callbacks.data);
    bool drafted = n->n_open > 0 && n->open[0].drafted;
    const struct pair_state *s = drafted ? &n->draft : &n->state;
    bool behind = !n->peer.known || pair_stamp_compare(&n->peer.stamp, &s->stamp) < 0;
    if (!n->peer.up || is_better_silent(n) ||
        (!n->send_due && now_us - n->sent_us < n->timing.heartbeat_us))
        return;
    memset(&m, 0, sizeof m);
    m.term = n->state.term;
    m.leads = n->leading;
    m.leads_term = n->leading ? n->term : 0;
    m.fit = n->rank >= 0;
    m.stamp = s->stamp;
    m.nonce = n->nonce = now_us > n->nonce ? now_us : n->nonce + 1;
    say_patience(n, &m, now_us);
    m.asks = n->vrrp.state == VRRP_MASTER && n->echoed_us < n->master_us;
    m.has_record = behind && s->stamp.seq != 0 &&
                   (pair_stamp_compare(&n->sent_stamp, &s->stamp) != 0 ||
                    now_us - n->record_us > PAIR_AGAIN_US);
    if (m.has_record) {
        m.record = s->record;
        n->sent_stamp = s->stamp;
        n->record_us = now_us;
    }
    n->sent_us = now_us;
    n->send_due = false;
    n->cfg.callbacks.send(n->cfg.callbacks.data, &m);
}
