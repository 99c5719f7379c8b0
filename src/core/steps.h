/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A procedure is a list of idempotent steps with deadlines. The engine calls the current step's
 * function on every event until it says NEXT; each step and its duration becomes an entry of the
 * timeline. A step that fails or passes its limit ends the procedure with PROC_FAILED and its
 * reason; whoever leads then decides anew from facts, so nothing has to be undone by memory.
 */
#ifndef TANDEM_CORE_STEPS_H
#define TANDEM_CORE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/record.h"

struct core;
struct proc;

enum step_verdict { STEP_WAIT, STEP_NEXT, STEP_FAIL };
enum proc_state { PROC_IDLE, PROC_RUNNING, PROC_DONE, PROC_FAILED };

struct step {
    const char *name;
    enum step_verdict (*run)(struct core *core, struct proc *p);
    uint32_t limit_ms; /* 0 = none; the step then bounds its own requests */
};

struct proc_kind {
    const char *name;
    const struct step *steps;
    unsigned n_steps;
    bool hold; /* the timeline goes on after the end: the history is pushed by lead_flush_tail() */
};

struct proc {
    const struct proc_kind *kind;
    enum proc_state state;
    unsigned step;
    bool entered; /* the current step has run at least once */
    int64_t started_us;
    int64_t step_us;
    char reason[HISTORY_NOTE_MAX]; /* of a failure */
    char note[HISTORY_NOTE_MAX];   /* of the current step, for the timeline */
    struct history history;
};

void proc_start(struct core *core, struct proc *p, const struct proc_kind *kind, unsigned from,
                unsigned to);
/* Why it runs: table, rule and facts, for the history. */
void proc_because(struct proc *p, const char *table, uint16_t rule, const char *facts);
/* Drives it as far as it goes now. Returns the state. */
enum proc_state proc_run(struct core *core, struct proc *p);
/* Ends it from outside (something more urgent): writes the history with that outcome. */
void proc_abort(struct core *core, struct proc *p, const char *why);
bool proc_is_running(const struct proc *p);

/* For step functions. */
bool proc_first(struct proc *p); /* true on the first call within a step */
enum step_verdict proc_fail(struct proc *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void proc_note(struct proc *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Appends an entry to a timeline; NULL if it is full. */
struct history_step *history_add(struct history *h, const char *name, unsigned node);
/* An extra entry of the timeline for work on another node. */
void proc_mark(struct core *core, struct proc *p, const char *name, unsigned node,
               int64_t since_us);

#endif
