/* SPDX-License-Identifier: Apache-2.0 */
/* tandem-sim: simulated clusters, for developers. docs/design/simulation.md is its manual. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/action.h"
#include "sim/condition.h"
#include "sim/explore.h"
#include "sim/scenario.h"
#include "sim/stage.h"
#include "sim/swarm.h"
#include "sim/words.h"

#define FILE_BYTES_MAX 65536
#define JOBS_MAX_ASKED 64

enum mode { MODE_NONE, MODE_SEEDS, MODE_SCENARIO, MODE_JSON, MODE_LIST, MODE_EXPLORE };

struct cli {
    enum mode mode;
    struct swarm_options swarm;
    struct explore_options explore;
    bool trace;
    bool tap;
};

static void usage(FILE *f)
{
    fputs(
        "tandem-sim --seeds A..B [--jobs N] [--no-shrink]    random clusters and faults\n"
        "tandem-sim --pairs A..B [--jobs N] [--no-shrink]    random faults of two hosts with the "
        "vrrp arbiter\n"
        "tandem-sim --seed S, --pair S [--trace] [--no-shrink]   one of them; its story\n"
        "tandem-sim --scenario FILE... [--trace] [--tap]     what the files say\n"
        "tandem-sim --explore PROCEDURE|all [--jobs N] [--tap]   one fault at every moment of it\n"
        "tandem-sim --json FILE                              a file, as JSON\n"
        "tandem-sim --list-actions                           the words of the language\n"
        "The exit status is 1 if something failed, 2 if the command is wrong.\n",
        f);
}

/* ---- scenarios ---- */

static char *read_file(const char *name)
{
    FILE *f = fopen(name, "r");
    char *text;
    size_t len;
    if (f == NULL)
        return NULL;
    text = malloc(FILE_BYTES_MAX + 1);
    if (text != NULL) {
        len = fread(text, 1, FILE_BYTES_MAX, f);
        text[len] = '\0';
    }
    (void)fclose(f);
    return text;
}

static bool load(const char *file, struct scenario *s)
{
    struct errmsg msg = ERRMSG_INIT;
    char *text = read_file(file);
    int err = text != NULL ? scenario_read(s, file, text, &msg)
                           : errmsg_set(&msg, ERR_IO, "%.300s cannot be read", file);
    free(text);
    if (err != 0)
        fprintf(stderr, "%s\n", msg.text);
    return err == 0;
}

static const char *base(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash != NULL ? slash + 1 : file;
}

static bool run_file(const struct cli *cli, const char *file, struct scenario *s, unsigned number)
{
    struct outcome o = {.failed = true};
    bool read = load(file, s);
    if (read)
        stage_run(s, cli->trace ? stdout : NULL, &o);
    if (cli->tap)
        printf("%s %u - %s\n", o.failed ? "not ok" : "ok", number, base(file));
    if (read && o.failed)
        printf("# %s:%u: at %.3f s: %s\n# replay: tandem-sim --scenario %s --trace\n", file,
               o.statement < s->n_statements ? s->statements[o.statement].line : 0,
               (double)o.at_ms / 1000, o.text, file);
    return !o.failed;
}

static int run_files(const struct cli *cli, char **files, unsigned count)
{
    struct scenario *s = calloc(1, sizeof *s);
    unsigned failed = 0;
    if (s == NULL)
        return 2;
    if (cli->tap)
        printf("1..%u\n", count);
    for (unsigned i = 0; i < count; i++)
        failed += !run_file(cli, files[i], s, i + 1);
    free(s);
    if (!cli->tap)
        printf("scenarios: %u passed, %u failed\n", count - failed, failed);
    return failed == 0 ? 0 : 1;
}

static int print_json(const char *file)
{
    struct scenario *s = calloc(1, sizeof *s);
    bool well = s != NULL && load(file, s);
    if (well)
        scenario_write_json(s, stdout);
    free(s);
    return well ? 0 : 1;
}

/* ---- lists ---- */

static const char *traits_text(unsigned traits)
{
    if ((traits & ACTION_BY_HAND) != 0)
        return "by hand";
    return (traits & ACTION_ORDER) != 0 ? "order" : "";
}

static int list(void)
{
    printf("Actions: [at TIME | after TIME | at effect NUMBER] ACTION [asked at NODE]\n\n");
    for (unsigned i = 0; i < ACTION_COUNT; i++)
        printf("  %-42s %-8s %s\n", action_patterns[i], traits_text(action_traits(i)),
               action_helps[i]);
    printf("\nExpectations: [at TIME | after TIME] [within TIME | for TIME] expect CONDITION\n\n");
    for (unsigned i = 0; i < CONDITION_COUNT; i++)
        printf("  %-42s %s\n", condition_patterns[i], condition_helps[i]);
    printf("\n%%n, %%m: NAME, writer, standby, leader, it, everyone, nobody; %%d: a number; %%t: a "
           "time (250ms, "
           "2s); %%s: a \"text\"; %%o: policy NAME = VALUE\n");
    return 0;
}

/* ---- the command line ---- */

static bool read_range(const char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    char first[32];
    const char *dots = strstr(text, "..");
    int64_t a, b;
    if (dots == NULL || (size_t)(dots - text) >= sizeof first)
        return false;
    (void)snprintf(first, sizeof first, "%.*s", (int)(dots - text), text);
    if (!word_number(first, &a) || !word_number(dots + 2, &b) || b < a)
        return false;
    *ret_first = (uint64_t)a;
    *ret_last = (uint64_t)b;
    return true;
}

static bool take_option(struct cli *cli, int option, const char *value)
{
    int64_t number = 0;
    switch (option) {
    case 'S':
    case 'P':
        cli->mode = MODE_SEEDS;
        cli->swarm.pairs = option == 'P';
        return read_range(value, &cli->swarm.first, &cli->swarm.last);
    case 's':
    case 'p':
        cli->mode = MODE_SEEDS;
        cli->swarm.pairs = option == 'p';
        if (!word_number(value, &number))
            return false;
        cli->swarm.first = cli->swarm.last = (uint64_t)number;
        return true;
    case 'j':
        if (!word_number(value, &number) || number < 1 || number > JOBS_MAX_ASKED)
            return false;
        cli->swarm.jobs = (unsigned)number;
        return true;
    case 'n':
        cli->swarm.shrink = false;
        return true;
    case 't':
        cli->trace = true;
        return true;
    case 'T':
        cli->tap = true;
        return true;
    case 'f':
        cli->mode = MODE_SCENARIO;
        return true;
    case 'x':
        cli->mode = MODE_EXPLORE;
        cli->explore.procedure = strcmp(value, "all") == 0 ? NULL : value;
        return true;
    case 'J':
        cli->mode = MODE_JSON;
        return true;
    case 'l':
        cli->mode = MODE_LIST;
        return true;
    default:
        return false;
    }
}

static bool read_options(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        {"seeds", required_argument, NULL, 'S'},
        {"pairs", required_argument, NULL, 'P'},
        {"seed", required_argument, NULL, 's'},
        {"pair", required_argument, NULL, 'p'},
        {"jobs", required_argument, NULL, 'j'},
        {"no-shrink", no_argument, NULL, 'n'},
        {"trace", no_argument, NULL, 't'},
        {"tap", no_argument, NULL, 'T'},
        {"scenario", no_argument, NULL, 'f'},
        {"json", no_argument, NULL, 'J'},
        {"explore", required_argument, NULL, 'x'},
        {"list-actions", no_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (!take_option(cli, option, optarg))
            return false;
    }
    if (cli->trace && cli->mode == MODE_SEEDS && cli->swarm.first != cli->swarm.last)
        return false; /* one story at a time */
    return cli->mode != MODE_NONE;
}

static int run_swarm(const struct cli *cli)
{
    uint64_t count = cli->swarm.last - cli->swarm.first + 1;
    unsigned failed;
    if (cli->trace)
        return swarm_trace(&cli->swarm) ? 0 : 1;
    failed = swarm_run(&cli->swarm);
    printf("simulation%s: %" PRIu64 " seeds passed, %u failed\n",
           cli->swarm.pairs ? " of pairs" : "", count - failed, failed);
    return failed == 0 ? 0 : 1;
}

static int run_explore(struct cli *cli)
{
    int failed;
    cli->explore.tap = cli->tap;
    cli->explore.jobs = cli->swarm.jobs;
    failed = explore_run(&cli->explore);
    if (failed >= 0)
        return failed == 0 ? 0 : 1;
    fprintf(stderr, "no procedure '%s'; allowed: all, ", cli->explore.procedure);
    explore_list(stderr);
    fputc('\n', stderr);
    return 2;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct cli cli = {
        .swarm = {.shrink = true, .jobs = cores > 0 && cores < 64 ? (unsigned)cores : 1}};
    unsigned files;
    if (!read_options(&cli, argc, argv)) {
        usage(stderr);
        return 2;
    }
    files = (unsigned)(argc - optind);
    switch (cli.mode) {
    case MODE_SEEDS:
        return run_swarm(&cli);
    case MODE_LIST:
        return list();
    case MODE_EXPLORE:
        return run_explore(&cli);
    default:
        break;
    }
    if (files == 0) {
        usage(stderr);
        return 2;
    }
    return cli.mode == MODE_JSON ? print_json(argv[optind]) : run_files(&cli, argv + optind, files);
}
