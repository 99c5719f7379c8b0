/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of takeover, shrink and grow alone: why no acknowledged commit is lost, whatever fails
 * and whoever is elected when. `make model` (tools/model) checks it with Spin, and checks that each of
 * the errors that can be compiled in is found. The prose is in in-sync.md; the code is named below.
 *
 * MODELLED
 *
 * - Two candidates, 0 and 1, with a server each, and a witness. Three voters: with the witness's vote,
 *   or the other's, a candidate may be elected at any moment. What is down or cut off makes no step; a
 *   witness that leads does to the record what a candidate does that leads and decides nothing.
 * - No clocks. A leader that was replaced believes that it leads until it hears of a newer term, and
 *   goes on with its procedures. Leases are clocks, so there are none here: an old leader may open its
 *   server again, and clients may write to whatever server is writable.
 * - Raft as the core sees it (core/lead.c): one leader per term; a log whose committed part is the
 *   record R; what is proposed and not committed (`open`) commits if its leader leads the newest term,
 *   else the barrier of a later leader settles it: it comes true before that barrier, or never. A
 *   leader may be told that the outcome is unknown, and goes on.
 * - The record (wire/record.c): writer, epoch, in-sync set, the run of mysqld for which its member was
 *   proven, compare-and-set. A version is compared for equality only and never returns, so a bit says
 *   whether an entry, or what a leader knows, is of the present version.
 * - One marked commit X, made at any time on any server that is writable. Any commit may be the marked
 *   one, so what holds for X holds for all. X is on a server in the binlog and waiting (pend), committed
 *   (exe), or in the relay log (rel). AFTER_SYNC: it is sent first and committed when an acknowledgement
 *   is there; with the source side off it is committed alone. An acknowledgement under way outlives
 *   the run of mysqld that gave it.
 * - mysqld dies at any time. Its binlog stays, and an ordinary start commits what waited there; its relay
 *   log is lost at the start, or not. Another run is another incarnation. Starting the threads of a
 *   replica throws its relay log away, or not.
 * - Agents die at any time and then know nothing but Raft's log, not even the newest term.
 * - Requests (core/ask.c, core/local.c) to the other node and to itself carry the leader's term. They are
 *   refused when a newer term was seen, may be lost, and arrive in order within a term; one whose sender
 *   has left its term may arrive at any time later. Those to an agent that dies are lost.
 * - The procedures step by step: takeover (seal, drain, promote, open) and reopen of core/takeover.c,
 *   shrink (commit, release) and grow (side, source, beat, prove, commit) of core/sync_steps.c, the planned
 *   close of core/handover.c, attach and start of core/repair.c, the fence that closes. Each may be given
 *   up at any step. When one begins is restricted no more than safety needs, so that every policy is covered.
 *
 * NOT MODELLED
 *
 * - More than one member (the wait count), and replicas (the step `level`).
 * - Leases, kernel, VIP: that at most one server is open (S1) rests on clocks and is not claimed here;
 *   one writer per epoch is.
 * - Forced promotions, and a mysqld that is shut down by hand: both are outside the promise.
 * - That an action session ends before the next one begins (S10): a request is executed in one step.
 * - What a former writer holds alone (S6, S7): it is cut if it may be, else the node stays detached.
 * - Liveness.
 *
 * CHECKED by assertions, in every state that can be reached:
 *
 * - S2, in a stronger form, since nobody is forced here: every acknowledged commit, of a time with a
 *   member or without, is on a node when its promotion is committed and when it is opened;
 * - what that rests on: a member in its recorded run holds every acknowledged commit;
 * - epochs only grow, and one epoch has one writer.
 *
 * ERRORS, each with -D
 *
 *   NO_CHECK        promotion without the in-sync check
 *   NO_INCARNATION  a member is one in whatever run of its mysqld
 *   NO_SEAL         the IO thread goes on during the takeover
 *   NO_DRAIN        promotion before what was received is applied
 *   OPEN_BARE       opened with the source side off
 *   RELEASE_FIRST   the source side is switched off before the shrink is committed
 *   NO_UNRESOLVED   the source side is switched off with a grow of unknown outcome
 *   NO_PROOF        grow without the write that the newcomer must acknowledge, and without its word
 *   ATTACH_MEMBER   a member's threads are started again before its removal is committed
 *   OLD_TERM        the request of an old term is obeyed
 *   NO_BARRIER      a new leader decides before everything of earlier terms is settled
 *   NO_COMPARE      an entry is applied to whatever version of the record
 *
 * Bounds: terms up to TERMS, CRASHES of mysqld, AGENTS deaths of agents.
 */
#ifndef TERMS
#define TERMS 4
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef AGENTS
#define AGENTS 1
#endif

/* steps of a leader */
#define FOLLOW 0
#define BARRIER 1
#define DECIDE 2
#define SEAL 3
#define DRAIN 4
#define PROMOTE 5
#define PROMOTING 6
#define OPEN 7
#define STEADY 8
#define SHRINKING 9
#define RELEASE 10
#define RELEASING 11
#define EARLY 12 /* RELEASE_FIRST only */
#define G_SIDE 13
#define G_SOURCE 14
#define G_SOURCING 15
#define G_BEAT 16
#define G_PROVE 17
#define G_PROVING 18
#define G_COMMIT 19
#define GROWING 20

/* requests: to the other node, ... */
#define NOTHING 0
#define SIDE_ON 1
#define ATTACH 2
#define FACTS 3
/* ... to itself */
#define SOURCE_ON 4
#define SOURCE_OFF 5

/* entries; what became of a proposal */
#define E_PROMOTE 0
#define E_SHRINK 1
#define E_GROW 2
#define NONE 0
#define PENDING 1
#define ACCEPTED 2
#define REFUSED 3

typedef record {
    bit writer;
    byte epoch;
    bit set;  /* the other candidate is in sync, */
    byte life /* in this run of its mysqld */
};

typedef entry {
    byte kind;
    bit by;      /* its proposer: it promotes itself, shrinks and grows the other one */
    byte life;
    byte term;
    bit present; /* made for the present version of the record */
    bit awaited  /* its proposer waits for the outcome */
};

/* Raft */
byte term = 1;   /* the newest that was won */
byte barred = 1; /* the newest whose barrier is committed */
record R;
entry log[2]; /* proposed, not committed; oldest first */
byte n_log;

/* agents */
byte seen[2]; /* newest term */
bit lead[2];
byte pc[2];
record rec[2]; /* of a leader: as it knows it */
bit present[2];
bit unresolved[2];
byte prop[2];
byte proven[2]; /* the run that the grow has proven */
bit goal[2];    /* what it must have: X, or nothing */
byte agents = AGENTS;

/* requests under way, by sender; `late`: it has left their term */
byte ask[2];
byte ask_term[2];
byte late[2];
byte late_term[2];

/* servers */
bit alive[2];
byte life[2];
bit read_only[2];
bit source[2]; /* semi-sync, source side */
bit side[2];   /* semi-sync, replica side */
bit io[2];     /* it follows the other one */
bit exe[2];
bit rel[2];
bit pend[2];
bit got[2]; /* an acknowledgement of X has come */
byte crashes = CRASHES;

bit born;
bit acked;

#define o (1 - n)
#define CURRENT(n) (lead[n] && seen[n] == term)
#define HAS(s) (exe[s] || rel[s])
#define IN_BINLOG(s) (exe[s] || pend[s])

#ifdef NO_UNRESOLVED
#define MEMBERS(n) (rec[n].set)
#else
#define MEMBERS(n) (rec[n].set || unresolved[n])
#endif

#ifdef NO_INCARNATION
#define SAME_RUN(n) true
#else
#define SAME_RUN(n) (rec[n].life == life[n])
#endif

#ifdef NO_CHECK
#define MAY_TAKE_OVER(n) true
#else
#define MAY_TAKE_OVER(n) (rec[n].set && SAME_RUN(n))
#endif

#define IS_VALID \
    (log[0].kind == E_PROMOTE && log[0].term > R.epoch || \
     log[0].kind == E_GROW && log[0].by == R.writer || log[0].kind == E_SHRINK)
#ifdef NO_COMPARE
#define IS_NEXT IS_VALID
#else
#define IS_NEXT (log[0].present && IS_VALID)
#endif

#ifdef OLD_TERM
#define OBEYED(t) true
#else
#define OBEYED(t) (t >= seen[n])
#endif

#define MEMBER_HOLDS \
    (!(acked && R.set && alive[1 - R.writer] && R.life == life[1 - R.writer]) || HAS(1 - R.writer))

/* ---- Raft ---- */

inline learn()
{
    rec[n].writer = R.writer;
    rec[n].epoch = R.epoch;
    rec[n].set = R.set;
    rec[n].life = R.life;
    present[n] = 1;
    assert(rec[o].epoch != R.epoch || rec[o].writer == R.writer)
}

inline forget_record()
{
#ifndef NO_BARRIER
    rec[n].writer = 0;
    rec[n].epoch = 0;
    rec[n].set = 0;
    rec[n].life = 0;
    present[n] = 0
#else
    skip
#endif
}

inline shift()
{
    n_log--;
    log[0].kind = log[1].kind;
    log[0].by = log[1].by;
    log[0].life = log[1].life;
    log[0].term = log[1].term;
    log[0].present = log[1].present;
    log[0].awaited = log[1].awaited;
    log[1].kind = 0;
    log[1].by = 0;
    log[1].life = 0;
    log[1].term = 0;
    log[1].present = 0;
    log[1].awaited = 0
}

/* record_apply() */
inline change()
{
    if
    :: log[0].kind == E_PROMOTE ->
        assert(!acked || exe[log[0].by]);
        R.writer = log[0].by;
        R.epoch = log[0].term;
        R.set = 0;
        R.life = 0
    :: log[0].kind == E_SHRINK ->
        R.set = 0;
        R.life = 0
    :: log[0].kind == E_GROW ->
        R.set = 1;
        R.life = log[0].life
    fi;
    log[0].present = 0;
    log[1].present = 0;
    present[0] = 0;
    present[1] = 0
}

inline commit()
{
    if
    :: IS_NEXT ->
        change();
        if
        :: log[0].awaited && log[0].term == term -> prop[log[0].by] = ACCEPTED
        :: else
        fi
    :: else ->
        if
        :: log[0].awaited && log[0].term == term -> prop[log[0].by] = REFUSED
        :: else
        fi
    fi;
    shift();
    assert(MEMBER_HOLDS)
}

/* After the barrier of a newer term nothing of an older one comes true any more. */
inline propose(what, its_life)
{
    prop[n] = PENDING;
    if
    :: seen[n] >= barred ->
        log[n_log].kind = what;
        log[n_log].by = n;
        log[n_log].life = its_life;
        log[n_log].term = seen[n];
        log[n_log].present = present[n];
        log[n_log].awaited = 1;
        n_log++
    :: else
    fi
}

inline await_no_more()
{
    prop[n] = NONE;
    if
    :: log[0].by == n -> log[0].awaited = 0
    :: else
    fi;
    if
    :: log[1].by == n -> log[1].awaited = 0
    :: else
    fi
}

/* lead_forget_term(); what it has sent may still arrive. */
inline leave_term()
{
    if
    :: ask[n] != NOTHING ->
        late[n] = ask[n];
        late_term[n] = ask_term[n];
        ask[n] = NOTHING;
        ask_term[n] = 0
    :: else
    fi;
    await_no_more();
    forget_record();
    unresolved[n] = 0;
    proven[n] = 0;
    goal[n] = 0;
    lead[n] = 0;
    pc[n] = FOLLOW
}

inline see(t)
{
    if
    :: t > seen[n] ->
        seen[n] = t;
        if
        :: lead[n] -> leave_term()
        :: else
        fi
    :: else
    fi
}

/* ---- requests ---- */

inline send(what)
{
    ask[n] = what;
    ask_term[n] = seen[n]
}

/* Node n executes what `from` asks for in term t. */
inline execute(what, t, from)
{
    see(t);
    if
    :: OBEYED(t) && alive[n] ->
        if
        :: what == SIDE_ON ->
            side[n] = 1;
            if
            :: lead[from] && seen[from] == t && pc[from] == G_SIDE -> pc[from] = G_SOURCE
            :: else
            fi
        :: what == ATTACH && read_only[n] -> io[n] = 1
        :: what == FACTS ->
            if
            :: lead[from] && seen[from] == t && pc[from] == G_PROVING && side[n] && io[n] &&
                (HAS(n) || !goal[from]) ->
                proven[from] = life[n];
                pc[from] = G_COMMIT
            :: else
            fi
        :: what == SOURCE_ON ->
            source[n] = 1;
            if
            :: lead[n] && seen[n] == t && pc[n] == G_SOURCING -> pc[n] = G_BEAT
            :: else
            fi
        :: what == SOURCE_OFF ->
            source[n] = 0;
            if
            :: lead[n] && seen[n] == t && pc[n] == RELEASING -> pc[n] = STEADY
            :: else
            fi
        :: else
        fi
    :: else
    fi
}

#define TO_OTHER(what) (what != NOTHING && what <= FACTS)
#define PURGES(what, t) (what == ATTACH && rel[n] && OBEYED(t) && alive[n] && read_only[n])

/* ---- the agent of a candidate ---- */

proctype agent(bit n)
{
    do
    /* elections */
    :: d_step { term < TERMS ->
        term++;
        leave_term();
        seen[n] = term;
        lead[n] = 1;
        pc[n] = BARRIER }
    :: d_step { seen[n] < term -> see(term) }
#ifdef NO_BARRIER
    :: d_step { CURRENT(n) && pc[n] == BARRIER -> pc[n] = DECIDE }
#else
    :: d_step { CURRENT(n) && pc[n] == BARRIER && n_log == 0 ->
        barred = term;
        learn();
        pc[n] = DECIDE }
#endif
    :: d_step { CURRENT(n) && pc[n] == BARRIER && n_log > 0 -> commit() }
    :: d_step { CURRENT(n) && pc[n] == BARRIER && n_log > 0 -> shift() }

    /* the log */
    :: d_step { CURRENT(n) && pc[n] > BARRIER && n_log > 0 && log[0].term == term -> commit() }
    :: d_step { CURRENT(n) && pc[n] > BARRIER && !present[n] -> learn(); unresolved[n] = 0 }
    :: d_step { prop[n] == PENDING -> await_no_more() } /* told that it is unknown */
    :: d_step { (prop[n] == ACCEPTED || prop[n] == REFUSED) && pc[n] != PROMOTING &&
        pc[n] != SHRINKING && pc[n] != GROWING -> prop[n] = NONE } /* nobody waits for it */

    /* table lead */
    :: d_step { pc[n] == DECIDE && rec[n].writer == n -> pc[n] = OPEN }
    :: d_step { pc[n] == DECIDE && rec[n].writer == o && alive[n] && MAY_TAKE_OVER(n) -> pc[n] = SEAL }

    /* takeover */
    :: d_step { pc[n] == SEAL && alive[n] ->
#ifndef NO_SEAL
        io[n] = 0;
#endif
        pc[n] = DRAIN }
    :: d_step { pc[n] == DRAIN && alive[n] ->
#ifndef NO_DRAIN
        exe[n] = exe[n] || rel[n];
        rel[n] = 0;
#endif
        pc[n] = (MAY_TAKE_OVER(n) -> PROMOTE : DECIDE) }
    :: d_step { pc[n] == PROMOTE && prop[n] == NONE && n_log < 2 ->
        propose(E_PROMOTE, 0);
        pc[n] = PROMOTING }
    :: d_step { pc[n] == PROMOTING && prop[n] == ACCEPTED && present[n] ->
        prop[n] = NONE;
        unresolved[n] = 0;
        pc[n] = OPEN }
    :: d_step { pc[n] >= SEAL && pc[n] <= OPEN -> pc[n] = DECIDE } /* given up */

    /* open, of takeover and reopen: the channel is forgotten, and its relay log with it */
    :: d_step { pc[n] == OPEN && !alive[n] -> /* the last writer is started in place */
        alive[n] = 1;
        exe[n] = exe[n] || pend[n];
        pend[n] = 0;
        rel[n] = 0 }
    :: d_step { pc[n] == OPEN && alive[n] && rec[n].writer == n ->
        assert(!acked || exe[n] || rec[n].epoch < R.epoch);
        io[n] = 0;
        side[n] = 0;
        rel[n] = 0;
#ifdef OPEN_BARE
        source[n] = 0;
#else
        source[n] = MEMBERS(n);
#endif
        read_only[n] = 0;
        pc[n] = STEADY }

    /* table writer: the server is not as it should be; a planned close */
    :: d_step { pc[n] == STEADY && (!alive[n] || read_only[n] || source[n] != MEMBERS(n)) ->
        pc[n] = DECIDE }
    :: d_step { pc[n] == STEADY && alive[n] && !pend[n] -> read_only[n] = 1; pc[n] = DECIDE }

    /* shrink */
#ifdef RELEASE_FIRST
    :: d_step { pc[n] == STEADY && MEMBERS(n) && alive[n] -> source[n] = 0; pc[n] = EARLY }
    :: d_step { pc[n] == EARLY && prop[n] == NONE && n_log < 2 ->
#else
    :: d_step { pc[n] == STEADY && MEMBERS(n) && prop[n] == NONE && n_log < 2 ->
#endif
        propose(E_SHRINK, 0);
        pc[n] = SHRINKING }
    :: d_step { pc[n] == SHRINKING && prop[n] == ACCEPTED && present[n] ->
        prop[n] = NONE;
        pc[n] = RELEASE }
    :: d_step { pc[n] == RELEASE && ask[n] == NOTHING -> send(SOURCE_OFF); pc[n] = RELEASING }

    /* grow, from an empty set */
    :: d_step { pc[n] == STEADY && !MEMBERS(n) && prop[n] == NONE && io[o] && ask[n] == NOTHING ->
        send(SIDE_ON);
        pc[n] = G_SIDE }
    :: d_step { pc[n] == G_SOURCE && ask[n] == NOTHING -> send(SOURCE_ON); pc[n] = G_SOURCING }
#ifdef NO_PROOF
    :: d_step { pc[n] == G_BEAT -> proven[n] = life[o]; pc[n] = G_COMMIT }
#endif
    :: d_step { pc[n] == G_BEAT && alive[n] && !read_only[n] && /* the write has returned */
        (!source[n] || alive[o] && io[o] && side[o]) ->
        if
        :: alive[o] && io[o] && IN_BINLOG(n) && !HAS(o) -> rel[o] = 1
        :: else
        fi;
        got[n] = got[n] || (pend[n] && alive[o] && io[o] && side[o]);
        goal[n] = exe[n];
        pc[n] = G_PROVE }
    :: d_step { pc[n] == G_PROVE && ask[n] == NOTHING -> send(FACTS); pc[n] = G_PROVING }
    :: d_step { pc[n] == G_COMMIT && prop[n] == NONE && n_log < 2 ->
        propose(E_GROW, proven[n]);
        unresolved[n] = 1;
        goal[n] = 0;
        proven[n] = 0;
        pc[n] = GROWING }
    :: d_step { pc[n] == GROWING && prop[n] == REFUSED ->
        unresolved[n] = 0;
        prop[n] = NONE;
        pc[n] = STEADY }
    :: d_step { pc[n] == GROWING && prop[n] == ACCEPTED && present[n] ->
        prop[n] = NONE;
        pc[n] = STEADY }
    :: d_step { pc[n] > STEADY -> /* given up; what is proposed stays so */
        goal[n] = 0;
        proven[n] = 0;
        pc[n] = STEADY }

    /* repair: attach what holds nothing of its own, a member only after its removal */
    :: d_step { pc[n] == STEADY && alive[o] && read_only[o] && !io[o] && ask[n] == NOTHING &&
#ifndef ATTACH_MEMBER
        !MEMBERS(n) &&
#endif
        !pend[o] && (!HAS(o) || exe[n]) -> send(ATTACH) }
    /* ... start a dead server; what nobody was promised is cut first; its relay log is there, or not */
    :: d_step { pc[n] == STEADY && rec[n].writer == n && !alive[o] ->
        exe[o] = exe[o] || (pend[o] && exe[n]);
        pend[o] = 0;
        alive[o] = 1 }
    :: d_step { pc[n] == STEADY && rec[n].writer == n && !alive[o] && rel[o] ->
        rel[o] = 0;
        pend[o] = 0;
        alive[o] = 1 }

    /* the fence of a node that does not lead */
    :: d_step { !lead[n] && alive[n] && !read_only[n] && !pend[n] -> read_only[n] = 1 }

    /* requests */
    :: d_step { TO_OTHER(ask[o]) ->
        execute(ask[o], ask_term[o], o);
        ask[o] = NOTHING;
        ask_term[o] = 0 }
    :: d_step { PURGES(ask[o], ask_term[o]) -> rel[n] = 0 }
    :: d_step { TO_OTHER(late[o]) ->
        execute(late[o], late_term[o], o);
        late[o] = NOTHING;
        late_term[o] = 0 }
    :: d_step { PURGES(late[o], late_term[o]) -> rel[n] = 0 }
    :: d_step { ask[n] > FACTS ->
        execute(ask[n], ask_term[n], n);
        ask[n] = NOTHING;
        ask_term[n] = 0 }
    :: d_step { late[n] > FACTS ->
        execute(late[n], late_term[n], n);
        late[n] = NOTHING;
        late_term[n] = 0 }
    :: d_step { ask[n] != NOTHING -> ask[n] = NOTHING; ask_term[n] = 0 } /* lost */
    :: d_step { late[n] != NOTHING -> late[n] = NOTHING; late_term[n] = 0 }

    /* it dies, and is started */
    :: d_step { agents > 0 ->
        agents--;
        leave_term();
        seen[n] = 0;
        if
        :: late[n] > FACTS -> late[n] = NOTHING; late_term[n] = 0
        :: else
        fi;
        if
        :: TO_OTHER(ask[o]) -> ask[o] = NOTHING; ask_term[o] = 0
        :: else
        fi;
        if
        :: TO_OTHER(late[o]) -> late[o] = NOTHING; late_term[o] = 0
        :: else
        fi }
    od
}

/* ---- its server ---- */

proctype mysqld(bit n)
{
    do
    :: d_step { alive[n] && !read_only[n] && !born -> born = 1; pend[n] = 1 }
    :: d_step { alive[n] && pend[n] && (!source[n] || got[n]) ->
        exe[n] = 1;
        pend[n] = 0;
        got[n] = 0;
        acked = 1;
        assert(MEMBER_HOLDS) }
    /* its IO thread; with the replica side on it acknowledges what it has */
    :: d_step { alive[n] && io[n] && alive[o] && IN_BINLOG(o) && !HAS(n) -> rel[n] = 1 }
    :: d_step { alive[n] && io[n] && side[n] && alive[o] && pend[o] && HAS(n) -> got[o] = 1 }
    /* its SQL thread */
    :: d_step { alive[n] && rel[n] -> exe[n] = 1; rel[n] = 0 }
    :: d_step { alive[n] && crashes > 0 ->
        crashes--;
        alive[n] = 0;
        life[n]++;
        got[n] = 0;
        io[n] = 0;
        side[n] = 0;
        source[n] = 0;
        read_only[n] = 1 }
    od
}

/* A cluster that has formed: 0 is the open writer of epoch 1, 1 follows it, nobody is in sync. */
init
{
    atomic {
        seen[0] = 1;
        seen[1] = 1;
        lead[0] = 1;
        pc[0] = STEADY;
        R.epoch = 1;
        rec[0].epoch = 1;
        present[0] = 1;
        alive[0] = 1;
        alive[1] = 1;
        read_only[1] = 1;
        io[1] = 1;
        run agent(0);
        run agent(1);
        run mysqld(0);
        run mysqld(1)
    }
}
