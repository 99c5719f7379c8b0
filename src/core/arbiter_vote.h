/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may win an election, and which messages of the library are let through
 * (docs/design/arbiter.md). One struct arbiter_vote per node; every call carries the time.
 *
 * Who wins. A follower of libraft refuses even pre-votes until its own timer has run out, so that
 * with different timers the node that expires last within the majority wins. Therefore every voter
 * expires at exactly T, whatever its rank, and what depends on the rank is when its own RequestVote
 * may leave: a candidate's at T + (rank + 1) * delta, a non-candidate's after 3 T without a leader.
 * When the best candidate asks, all voters it can reach have expired and none of them has asked.
 * Later rounds are jittered, else equal nodes would collide for ever.
 *
 * Silence. A voter that may have forgotten whom it heard answers no RequestVote, obeys no
 * TimeoutNow, and asks for no votes itself (its own vote counts too): from its start until
 * T + margin later, after its loop stood still for more than T / 2, after it became a voter. Its
 * turn counts from the end of the silence then.
 *
 * TimeoutNow lifts the promise to the old leader, hence it must be young (T / 2), in order, and
 * from the leader that is followed; the right to disrupt that it gives is for one round only.
 *
 * Votes. A second, different vote in one term is refused, whatever the library asks for.
 *
 * Pure: no clock, no allocation. The caller asserts that time never goes back.
 */
#ifndef TANDEM_CORE_ARBITER_VOTE_H
#define TANDEM_CORE_ARBITER_VOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arbiter_timing.h"
#include "util/prng.h"

/* Rank of a node that should not win. Candidates are ranked from 0, the best: the last writer while
 * healthy, then the in-sync nodes by priority. */
#define ARBITER_RANK_NONE 0xffu

enum arbiter_state {
    ARBITER_UNAVAILABLE,
    ARBITER_FOLLOWER,
    ARBITER_CANDIDATE,
    ARBITER_LEADER,
    ARBITER_STATE_COUNT
};

enum arbiter_kind {
    ARBITER_REQUEST_VOTE,
    ARBITER_REQUEST_VOTE_RESULT,
    ARBITER_APPEND_ENTRIES,
    ARBITER_APPEND_ENTRIES_RESULT,
    ARBITER_INSTALL_SNAPSHOT,
    ARBITER_TIMEOUT_NOW,
    ARBITER_KIND_COUNT
};

enum arbiter_verdict {
    ARBITER_PASS,
    ARBITER_DROP_SILENT,        /* this voter may have forgotten a leader */
    ARBITER_DROP_HELD_BACK,     /* it is not this node's turn to ask for votes */
    ARBITER_DROP_DISRUPT,       /* asks to disrupt a leader without a fresh TimeoutNow */
    ARBITER_DROP_OLD,           /* TimeoutNow older than T / 2 or overtaken by a later frame */
    ARBITER_DROP_STRANGER,      /* TimeoutNow of somebody who is not followed in that term */
    ARBITER_DROP_NOT_CANDIDATE, /* result of a vote that is over */
    ARBITER_DROP_IMPOSSIBLE,    /* no correct node sends this */
    ARBITER_DROP_TWO_LEADERS,   /* a leader's frame of our own term, while we lead it */
    ARBITER_DROP_BUSY,          /* a snapshot while another one is taken or installed */
    ARBITER_DROP_MUTED,         /* this leader hears nobody (arbiter_lease.h) */
    ARBITER_VERDICT_COUNT
};

/* What a follower remembers of the frames of one sender, per term. Zero is "nothing yet". */
struct arbiter_echo {
    uint64_t term;
    int64_t nonce;         /* highest one processed while following the sender in that term */
    int64_t offset_us[2];  /* smallest (arrival - nonce) of this and of the previous window */
    int64_t window_end_us; /* 0: no frame of this term yet */
};

struct arbiter_vote {
    struct arbiter_timing timing;
    struct prng prng;
    unsigned rank;
    bool is_voter;
    int64_t silent_until_us;
    int64_t alive_us;       /* last sign of life of the loop */
    int64_t leader_us;      /* when a leader was last heard, or the start */
    int64_t quiet_us;       /* the same, or when a vote was given, or leadership lost */
    unsigned round;         /* attempts since the follower's timer ran out; 0 as follower */
    int64_t round_start_us; /* tells that the library began another round */
    int64_t jitter_us;
    uint64_t forced_term; /* the one term in which disrupting is allowed */
    int64_t forced_until_us;
    uint64_t self; /* own id, as the library votes for it */
    uint64_t term; /* of `voted_for` */
    uint64_t voted_for;
};

/* What the library is doing, and one message, as far as the rules look at it. */
struct arbiter_situation {
    enum arbiter_state state;
    uint64_t term;
    bool snapshot_busy;
    bool muted; /* arbiter_lease_is_deaf() or told to step down */
};

struct arbiter_message {
    enum arbiter_kind kind;
    uint64_t term;
    bool pre_vote; /* RequestVote and its result */
    bool disrupt;  /* RequestVote */
    bool granted;  /* result of RequestVote */
    int64_t nonce; /* of a leader's frame */
};

/* Starts silent. `seed` differs between nodes, else their jitter is the same. */
void arbiter_vote_init(struct arbiter_vote *v, const struct arbiter_timing *timing, uint64_t seed,
                       int64_t now_us);
/* To be called first whenever the loop hands control over. True if it stood still for more than
 * T / 2: the silence has begun. */
bool arbiter_vote_alive(struct arbiter_vote *v, int64_t now_us);
/* Follows the configuration; true if this node has just become a voter: the silence has begun. */
bool arbiter_vote_set_voter(struct arbiter_vote *v, bool is_voter, int64_t now_us);
/* A leader's frame was processed. */
void arbiter_vote_heard(struct arbiter_vote *v, int64_t now_us);
/* This node stopped leading: its own candidacy waits as if it had heard a leader. */
void arbiter_vote_deposed(struct arbiter_vote *v, int64_t now_us);
/* TimeoutNow for `term` passed arbiter_vote_incoming() and goes to the library now. */
void arbiter_vote_forced(struct arbiter_vote *v, uint64_t term, int64_t now_us);
bool arbiter_vote_is_silent(const struct arbiter_vote *v, int64_t now_us);

/* Length of the election timer that the library started at timer_start_us, counted from there.
 * pre_vote: the candidate is in its pre-vote phase. Call before each look at that timer. */
int64_t arbiter_vote_timer(struct arbiter_vote *v, enum arbiter_state state, bool pre_vote,
                           int64_t timer_start_us);

/* echo: of the sender of m. */
enum arbiter_verdict arbiter_vote_incoming(const struct arbiter_vote *v,
                                           const struct arbiter_situation *s,
                                           const struct arbiter_echo *echo,
                                           const struct arbiter_message *m, int64_t now_us);
enum arbiter_verdict arbiter_vote_outgoing(const struct arbiter_vote *v,
                                           const struct arbiter_situation *s,
                                           const struct arbiter_message *m, int64_t now_us);
/* A few words for a log line; never NULL. */
const char *arbiter_verdict_text(enum arbiter_verdict verdict);

/* Own id, and the term and vote on disk, when the node starts. voted_for 0 = none. */
void arbiter_vote_load(struct arbiter_vote *v, uint64_t self, uint64_t term, uint64_t voted_for);
/* The library wants to persist a term. 0: write it; ERR_EXISTS: it is there already, and writing it
 * again would erase the vote; ERR_STALE: terms never go back. */
int arbiter_vote_term(struct arbiter_vote *v, uint64_t term) NODISCARD;
/* The library wants to persist a vote of the current term. 0: write it; ERR_EXISTS: it is there
 * already; ERR_REFUSED: another vote was given in this term. */
int arbiter_vote_give(struct arbiter_vote *v, uint64_t voted_for, int64_t now_us) NODISCARD;

/* A leader's frame arrived: what its age is judged by. Older terms are ignored. */
void arbiter_echo_arrived(struct arbiter_echo *e, uint64_t term, int64_t nonce, int64_t now_us);
/* It has been processed, and this node follows the sender in that term. */
void arbiter_echo_processed(struct arbiter_echo *e, uint64_t term, int64_t nonce);
/*
 * Time that a frame spent on its way beyond the fastest frame of the last 10 to 20 s, a lower bound
 * of its age; -1 if no frame of that term has arrived. The nonce is the sender's clock, whose
 * offset is not known: the fastest frame stands for it, and only the recent ones, or drift would
 * add up.
 */
int64_t arbiter_echo_age(const struct arbiter_echo *e, uint64_t term, int64_t nonce,
                         int64_t now_us);

#endif
