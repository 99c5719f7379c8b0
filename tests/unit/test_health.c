/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/health.h"

/* fall = 3, rise = 2. One letter per event:
 * S process there, D process gone, o answer, e answer with an error, f too many connections,
 * d denied, t silence, r refusal, l connection lost, X disk full, x disk well, W commits wait, w
 * they end */
struct line {
    const char *events;
    enum server_health want;
    const char *what;
};

static const struct line lines[] = {
    {"", HEALTH_UNKNOWN, "not judged yet"},
    {"o", HEALTH_OK, "the first answer counts at once"},
    {"e", HEALTH_OK, "an answer with an error is an answer"},
    {"tt", HEALTH_UNKNOWN, "two failures are nothing yet"},
    {"ttt", HEALTH_DEAD, "silent and no process known"},
    {"rrr", HEALTH_DEAD, "refuses and no process known"},
    {"f", HEALTH_FULL, "full counts at once"},
    {"d", HEALTH_DENIED, "denied counts at once"},
    /* starting */
    {"S", HEALTH_STARTING, "a process that has not answered"},
    {"Stttttttttt", HEALTH_STARTING, "recovery may take long: not hung"},
    {"Srrrrrrrrrr", HEALTH_STARTING, "... and does not listen meanwhile"},
    {"Slllll", HEALTH_STARTING, "... or breaks connections"},
    {"So", HEALTH_OK, "the first answer of a new process counts at once"},
    {"Sf", HEALTH_FULL, "full from the start"},
    {"Sd", HEALTH_DENIED, "denied from the start"},
    {"SD", HEALTH_DEAD, "ended while it started"},
    /* what is ambiguous counts by fall */
    {"Sott", HEALTH_OK, "two silences are not three"},
    {"Sottt", HEALTH_HUNG, "silence: hung"},
    {"Sorrr", HEALTH_REFUSED, "does not listen any more: on its way down"},
    {"Solll", HEALTH_REFUSED, "connections break"},
    {"Sotrl", HEALTH_REFUSED, "the last failure names the state"},
    {"Sorrt", HEALTH_HUNG, "likewise"},
    {"Sottottott", HEALTH_OK, "an answer between starts the count anew"},
    {"Sottftt", HEALTH_FULL, "so does a full server"},
    {"Sottdtt", HEALTH_DENIED, "and one that denies"},
    {"Sotttrrr", HEALTH_REFUSED, "from hung to refused"},
    {"Sorrrttt", HEALTH_HUNG, "and back"},
    {"Sfttt", HEALTH_HUNG, "full, then silent"},
    {"Sdrrr", HEALTH_REFUSED, "denied, then gone"},
    /* rise */
    {"Sottto", HEALTH_HUNG, "one answer is not two"},
    {"Sotttoo", HEALTH_OK, "two answers in a row"},
    {"Sotttoto", HEALTH_HUNG, "a flapping server has not proven itself"},
    {"Sotttotoo", HEALTH_OK, "now it has"},
    {"Sorrreo", HEALTH_OK, "errors are answers"},
    {"Sfo", HEALTH_OK, "full had answered already"},
    {"Sdo", HEALTH_OK, "denied likewise"},
    {"Sotttf", HEALTH_FULL, "a hung server that is full answers"},
    {"Sotttfo", HEALTH_OK, "... and serves"},
    /* the process */
    {"SoD", HEALTH_DEAD, "death counts at once"},
    {"SoDtttttt", HEALTH_DEAD, "a dead one stays dead"},
    {"SoDrrr", HEALTH_DEAD, "likewise"},
    {"SoDl", HEALTH_DEAD, "the probe that was under way"},
    {"SoDS", HEALTH_STARTING, "started again"},
    {"SoDSttttt", HEALTH_STARTING, "what the former answered says nothing about this one"},
    {"SoDSo", HEALTH_OK, "and answers"},
    {"SotttD", HEALTH_DEAD, "hung, then killed"},
    {"SottDSott", HEALTH_OK, "failures of a former process do not count"},
    {"SotttS", HEALTH_STARTING, "replaced behind our back"},
    /* disk */
    {"X", HEALTH_UNKNOWN, "only of a server that serves"},
    {"SX", HEALTH_STARTING, "likewise"},
    {"SoX", HEALTH_DISK, "full disk"},
    {"SoXoooo", HEALTH_DISK, "answers do not free it"},
    {"SoXeeee", HEALTH_DISK, "nor do errors"},
    {"SoXx", HEALTH_OK, "freed"},
    {"Sox", HEALTH_OK, "it was well"},
    {"SotttX", HEALTH_HUNG, "a hung server stays hung"},
    {"Sotttx", HEALTH_HUNG, "and is not healed by its disk"},
    {"SoXttt", HEALTH_HUNG, "full disk, then silent"},
    {"SoXD", HEALTH_DEAD, "full disk, then dead"},
    {"SDx", HEALTH_DEAD, "a well disk revives nobody"},
    /* stall */
    {"W", HEALTH_UNKNOWN, "only of a server that serves"},
    {"SoW", HEALTH_STALLED, "answers, but commits do not end"},
    {"SoWoooo", HEALTH_STALLED, "answers to probes end no commit"},
    {"SoWeeee", HEALTH_STALLED, "nor do errors"},
    {"SoWw", HEALTH_OK, "they end again"},
    {"Sow", HEALTH_OK, "they ended all the time"},
    {"SotttW", HEALTH_HUNG, "a hung server stays hung"},
    {"Sotttw", HEALTH_HUNG, "and is not healed by its commits"},
    {"SoWttt", HEALTH_HUNG, "stalled, then silent"},
    {"SoWrrr", HEALTH_REFUSED, "stalled, then on its way down"},
    {"SoWf", HEALTH_FULL, "stalled, and out of connections"},
    {"SoWD", HEALTH_DEAD, "stalled, then dead"},
    {"SoWX", HEALTH_DISK, "the disk is the cause"},
    {"SoXW", HEALTH_DISK, "likewise"},
    {"SDw", HEALTH_DEAD, "revives nobody"},
};

static const struct health_limits limits = {.fall = 3, .rise = 2, .mute_us = 1000};

static void drive(struct health *h, char event, int64_t now_us)
{
    static const char probes[] = "otrfdle"; /* in the order of enum probe_outcome */
    const char *probe = strchr(probes, event);
    if (event == 'S')
        health_started(h, now_us);
    else if (event == 'D')
        health_died(h, now_us);
    else if (event == 'X' || event == 'x')
        health_disk(h, event == 'X', now_us);
    else if (event == 'W' || event == 'w')
        health_stall(h, event == 'W', now_us);
    else if (probe != NULL)
        health_probe(h, &limits, (enum probe_outcome)(probe - probes), now_us);
    else
        fail_msg("no such event '%c'", event);
}

static void test_every_transition(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct health h;
        health_init(&h);
        for (const char *e = lines[i].events; *e != '\0'; e++)
            drive(&h, *e, 1);
        if (h.state != (int)lines[i].want)
            fail_msg("%s (%s): %s, not %s", lines[i].events, lines[i].what,
                     server_health_text((int)h.state), server_health_text((int)lines[i].want));
    }
}

/* Only a server that takes connections and answers none is mute: what recovers does not listen. */
static void test_mute(void **state)
{
    static const struct {
        const char *events; /* each half the limit after the one before */
        enum server_health want;
        bool mute;
    } cases[] = {
        {"Stt", HEALTH_STARTING, false},   {"Sttt", HEALTH_HUNG, true},
        {"Srrrr", HEALTH_STARTING, false}, {"Sttrtt", HEALTH_STARTING, false},
        {"Stttt", HEALTH_HUNG, true},      {"Sttto", HEALTH_OK, false},
        {"Stttr", HEALTH_STARTING, false}, {"SottSt", HEALTH_STARTING, false},
        {"Sottt", HEALTH_HUNG, true},      {"Sotftt", HEALTH_FULL, false},
        {"SotttD", HEALTH_DEAD, false},    {"ttttt", HEALTH_DEAD, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct health h;
        int64_t now_us = 0;
        health_init(&h);
        for (const char *e = cases[i].events; *e != '\0'; e++)
            drive(&h, *e, now_us += limits.mute_us / 2);
        if (h.state != (int)cases[i].want ||
            health_is_mute(&h, limits.mute_us, now_us) != cases[i].mute)
            fail_msg("%s: %s", cases[i].events, server_health_text(h.state));
    }
}

static void test_since_changes_with_the_state_only(void **state)
{
    struct health h;
    int64_t now_us = 0;
    (void)state;
    health_init(&h);
    for (const char *e = "SooottftttooXxW"; *e != '\0'; e++) {
        int before = h.state;
        int64_t since_us = h.since_us;
        now_us += 10;
        drive(&h, *e, now_us);
        assert_int_equal(h.since_us, h.state == before ? since_us : now_us);
    }
    assert_int_equal(h.state, HEALTH_STALLED);
}

/* From every state any sequence of three events leads to a valid one, and two answers in a row of a
 * living process on a well disk always lead to OK: no state needs a restart. */
static void test_no_state_without_a_way_out(void **state)
{
    static const char all[] = "SDoefdtrlXxWw";
    const size_t n = sizeof all - 1;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        for (size_t k = 0; k < n * n * n; k++) {
            struct health h;
            health_init(&h);
            for (const char *e = lines[i].events; *e != '\0'; e++)
                drive(&h, *e, 1);
            drive(&h, all[k % n], 1);
            drive(&h, all[k / n % n], 1);
            drive(&h, all[k / n / n], 1);
            assert_true(h.state < HEALTH_COUNT);
            if (!h.process)
                drive(&h, 'S', 2);
            for (const char *e = "xwoo"; *e != '\0'; e++)
                drive(&h, *e, 2);
            assert_int_equal(h.state, HEALTH_OK);
        }
    }
}

static void test_good_and_alive(void **state)
{
    (void)state;
    for (int s = 0; s < HEALTH_COUNT; s++) {
        bool good = s == HEALTH_OK;
        bool alive = good || s == HEALTH_FULL || s == HEALTH_DENIED || s == HEALTH_STALLED;
        assert_int_equal(health_is_good((enum server_health)s), good);
        assert_int_equal(health_is_alive((enum server_health)s), alive);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_transition),
        cmocka_unit_test(test_mute),
        cmocka_unit_test(test_since_changes_with_the_state_only),
        cmocka_unit_test(test_no_state_without_a_way_out),
        cmocka_unit_test(test_good_and_alive),
    };
    return cmocka_run_group_tests_name("health", tests, NULL, NULL);
}
