/* SPDX-License-Identifier: Apache-2.0 */
#include "core/arbiter_vote.h"

#include <assert.h>
#include <string.h>

#define ECHO_WINDOW_US 10000000

static void be_silent(struct arbiter_vote *v, int64_t now_us)
{
    int64_t until_us = now_us + arbiter_timing_silence(&v->timing);
    if (until_us > v->silent_until_us)
        v->silent_until_us = until_us;
}

void arbiter_vote_init(struct arbiter_vote *v, const struct arbiter_timing *timing, uint64_t seed,
                       int64_t now_us)
{
    memset(v, 0, sizeof *v);
    v->timing = *timing;
    v->prng.state = seed;
    v->rank = ARBITER_RANK_NONE;
    v->alive_us = now_us;
    v->leader_us = now_us;
    v->quiet_us = now_us;
    be_silent(v, now_us);
}

bool arbiter_vote_alive(struct arbiter_vote *v, int64_t now_us)
{
    bool stood_still = now_us - v->alive_us > v->timing.election_timeout_us / 2;
    if (now_us > v->alive_us)
        v->alive_us = now_us;
    if (stood_still)
        be_silent(v, now_us);
    return stood_still;
}

bool arbiter_vote_set_voter(struct arbiter_vote *v, bool is_voter, int64_t now_us)
{
    bool became = is_voter && !v->is_voter;
    v->is_voter = is_voter;
    if (became)
        be_silent(v, now_us);
    return became;
}

void arbiter_vote_heard(struct arbiter_vote *v, int64_t now_us)
{
    v->leader_us = now_us;
    v->quiet_us = now_us;
}

void arbiter_vote_deposed(struct arbiter_vote *v, int64_t now_us)
{
    v->leader_us = now_us;
    v->quiet_us = now_us;
}

void arbiter_vote_forced(struct arbiter_vote *v, uint64_t term, int64_t now_us)
{
    v->forced_term = term + 1;
    v->forced_until_us = now_us + v->timing.election_timeout_us / 2;
}

bool arbiter_vote_is_silent(const struct arbiter_vote *v, int64_t now_us)
{
    return now_us < v->silent_until_us;
}

static int64_t later(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

/* From when this node may ask for votes. After a silence, which may be everybody's, the order of
 * the candidates stays. */
static int64_t turn_us(const struct arbiter_vote *v)
{
    int64_t t_us = v->timing.election_timeout_us;
    if (v->rank == ARBITER_RANK_NONE)
        return later(v->leader_us + t_us, v->silent_until_us) + 2 * t_us;
    return later(v->quiet_us + t_us, v->silent_until_us) +
           (int64_t)(v->rank + 1) * v->timing.candidate_delta_us;
}

int64_t arbiter_vote_timer(struct arbiter_vote *v, enum arbiter_state state, bool pre_vote,
                           int64_t timer_start_us)
{
    int64_t t_us = v->timing.election_timeout_us;
    int64_t wait_us;
    if (state != ARBITER_CANDIDATE) {
        v->round = 0;
        return t_us;
    }
    if (v->round == 0 || timer_start_us != v->round_start_us) {
        v->round++;
        v->round_start_us = timer_start_us;
        v->jitter_us = (int64_t)prng_below(&v->prng, (uint64_t)t_us / 2);
    }
    /* The vote proper is on the voters' disks: it needs the time that an election takes. */
    if (!pre_vote)
        return t_us + v->jitter_us;
    /* First round: nothing was sent, the timer only ran out as a voter's. The second begins when it
     * is this node's turn. */
    wait_us = turn_us(v) - timer_start_us;
    if (v->round == 1)
        return wait_us > 0 ? wait_us : 0;
    if (wait_us < t_us / 2)
        wait_us = t_us / 2;
    return wait_us + v->jitter_us;
}

static enum arbiter_verdict incoming_timeout_now(const struct arbiter_vote *v,
                                                 const struct arbiter_echo *echo,
                                                 const struct arbiter_message *m, int64_t now_us)
{
    int64_t age_us = arbiter_echo_age(echo, m->term, m->nonce, now_us);
    if (arbiter_vote_is_silent(v, now_us))
        return ARBITER_DROP_SILENT;
    if (echo->term != m->term || echo->nonce == 0 || age_us < 0)
        return ARBITER_DROP_STRANGER;
    if (m->nonce < echo->nonce || age_us > v->timing.election_timeout_us / 2)
        return ARBITER_DROP_OLD;
    return ARBITER_PASS;
}

enum arbiter_verdict arbiter_vote_incoming(const struct arbiter_vote *v,
                                           const struct arbiter_situation *s,
                                           const struct arbiter_echo *echo,
                                           const struct arbiter_message *m, int64_t now_us)
{
    switch (m->kind) {
    case ARBITER_REQUEST_VOTE:
        return arbiter_vote_is_silent(v, now_us) ? ARBITER_DROP_SILENT : ARBITER_PASS;
    case ARBITER_REQUEST_VOTE_RESULT:
        /* libraft adopts the term of a late pre-vote's result (the voter's next one) when it has
         * found a leader meanwhile, and then deposes that leader. */
        if (s->state != ARBITER_CANDIDATE)
            return ARBITER_DROP_NOT_CANDIDATE;
        if (m->granted && m->term > s->term + (m->pre_vote ? 1 : 0))
            return ARBITER_DROP_IMPOSSIBLE;
        return ARBITER_PASS;
    case ARBITER_APPEND_ENTRIES:
    case ARBITER_INSTALL_SNAPSHOT:
        if (s->state == ARBITER_LEADER && m->term == s->term)
            return ARBITER_DROP_TWO_LEADERS;
        if (m->kind == ARBITER_INSTALL_SNAPSHOT && s->snapshot_busy)
            return ARBITER_DROP_BUSY;
        return ARBITER_PASS;
    case ARBITER_TIMEOUT_NOW:
        return incoming_timeout_now(v, echo, m, now_us);
    case ARBITER_APPEND_ENTRIES_RESULT:
        return ARBITER_PASS;
    case ARBITER_KIND_COUNT:
        break;
    }
    return ARBITER_DROP_IMPOSSIBLE;
}

enum arbiter_verdict arbiter_vote_outgoing(const struct arbiter_vote *v,
                                           const struct arbiter_situation *s,
                                           const struct arbiter_message *m, int64_t now_us)
{
    switch (m->kind) {
    case ARBITER_REQUEST_VOTE:
        if (arbiter_vote_is_silent(v, now_us))
            return ARBITER_DROP_SILENT;
        if (m->disrupt)
            return m->term == v->forced_term && now_us <= v->forced_until_us ? ARBITER_PASS
                                                                             : ARBITER_DROP_DISRUPT;
        return now_us >= turn_us(v) ? ARBITER_PASS : ARBITER_DROP_HELD_BACK;
    case ARBITER_APPEND_ENTRIES:
    case ARBITER_INSTALL_SNAPSHOT:
    case ARBITER_TIMEOUT_NOW:
        return s->muted ? ARBITER_DROP_MUTED : ARBITER_PASS;
    case ARBITER_REQUEST_VOTE_RESULT:
    case ARBITER_APPEND_ENTRIES_RESULT:
        return ARBITER_PASS;
    case ARBITER_KIND_COUNT:
        break;
    }
    return ARBITER_DROP_IMPOSSIBLE;
}

const char *arbiter_verdict_text(enum arbiter_verdict verdict)
{
    static const char *const texts[] = {
        [ARBITER_PASS] = "passed",
        [ARBITER_DROP_SILENT] = "this voter is silent",
        [ARBITER_DROP_HELD_BACK] = "not this node's turn",
        [ARBITER_DROP_DISRUPT] = "no right to disrupt",
        [ARBITER_DROP_OLD] = "too old",
        [ARBITER_DROP_STRANGER] = "not from the leader that is followed",
        [ARBITER_DROP_NOT_CANDIDATE] = "the vote is over",
        [ARBITER_DROP_IMPOSSIBLE] = "no correct node sends this",
        [ARBITER_DROP_TWO_LEADERS] = "another leader of this node's own term",
        [ARBITER_DROP_BUSY] = "busy with another snapshot",
        [ARBITER_DROP_MUTED] = "this leader is deaf",
    };
    assert(verdict < ARBITER_VERDICT_COUNT);
    return texts[verdict];
}

void arbiter_vote_load(struct arbiter_vote *v, uint64_t self, uint64_t term, uint64_t voted_for)
{
    v->self = self;
    v->term = term;
    v->voted_for = voted_for;
}

int arbiter_vote_term(struct arbiter_vote *v, uint64_t term)
{
    if (term < v->term)
        return ERR_STALE;
    if (term == v->term)
        return ERR_EXISTS;
    v->term = term;
    v->voted_for = 0;
    return 0;
}

int arbiter_vote_give(struct arbiter_vote *v, uint64_t voted_for, int64_t now_us)
{
    if (voted_for == v->voted_for)
        return ERR_EXISTS;
    if (v->voted_for != 0)
        return ERR_REFUSED;
    v->voted_for = voted_for;
    if (voted_for != v->self)
        v->quiet_us = now_us;
    return 0;
}

void arbiter_echo_arrived(struct arbiter_echo *e, uint64_t term, int64_t nonce, int64_t now_us)
{
    int64_t offset_us = now_us - nonce;
    if (term < e->term)
        return;
    if (term > e->term)
        *e = (struct arbiter_echo){.term = term};
    if (e->window_end_us == 0) {
        e->offset_us[0] = e->offset_us[1] = offset_us;
        e->window_end_us = now_us + ECHO_WINDOW_US;
    } else if (now_us >= e->window_end_us) {
        e->offset_us[1] = e->offset_us[0];
        e->offset_us[0] = offset_us;
        e->window_end_us = now_us + ECHO_WINDOW_US;
    }
    if (offset_us < e->offset_us[0])
        e->offset_us[0] = offset_us;
}

void arbiter_echo_processed(struct arbiter_echo *e, uint64_t term, int64_t nonce)
{
    if (term == e->term && nonce > e->nonce)
        e->nonce = nonce;
}

int64_t arbiter_echo_age(const struct arbiter_echo *e, uint64_t term, int64_t nonce, int64_t now_us)
{
    int64_t fastest_us = e->offset_us[0] < e->offset_us[1] ? e->offset_us[0] : e->offset_us[1];
    int64_t age_us = now_us - nonce - fastest_us;
    if (e->window_end_us == 0 || e->term != term)
        return -1;
    return age_us > 0 ? age_us : 0;
}
