/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/store/state_file.h"

struct fixture {
    char dir[64];
    char path[128];
};

static int setup(void **state)
{
    struct fixture *x = calloc(1, sizeof *x);
    (void)snprintf(x->dir, sizeof x->dir, "/tmp/test_state_file.XXXXXX");
    if (mkdtemp(x->dir) == NULL)
        return -1;
    (void)snprintf(x->path, sizeof x->path, "%s/facts", x->dir);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *x = *state;
    (void)unlink(x->path);
    (void)rmdir(
        x->dir); /* fails, and leaves the directory to be seen, if a temporary file is left */
    free(x);
    return 0;
}

static void write_raw(const char *path, const uint8_t *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    (void)fclose(f);
}

static struct state_file sample(void)
{
    struct state_file f;
    state_file_init(&f);
    assert_int_equal(state_file_set_u64(&f, "term", 18446744073709551615U), 0);
    assert_int_equal(state_file_set(&f, "started-since", "yes"), 0);
    assert_int_equal(state_file_set(&f, "empty", ""), 0);
    return f;
}

static void test_values(void **state)
{
    struct state_file f = sample();
    char longest[STATE_FILE_VALUE_MAX + 1];
    uint64_t v = 7;
    (void)state;
    assert_int_equal(state_file_get_u64(&f, "term", &v), 0);
    assert_true(v == UINT64_MAX);
    assert_int_equal(state_file_get_u64(&f, "started-since", &v), ERR_FORMAT);
    assert_int_equal(state_file_get_u64(&f, "empty", &v), ERR_FORMAT);
    assert_int_equal(state_file_get_u64(&f, "other", &v), ERR_NOTFOUND);
    assert_int_equal(state_file_set(&f, "term", "18446744073709551616"), 0);
    assert_int_equal(state_file_get_u64(&f, "term", &v), ERR_FORMAT);
    assert_int_equal(f.count, 3);
    state_file_remove(&f, "term");
    assert_null(state_file_get(&f, "term"));
    assert_string_equal(state_file_get(&f, "started-since"), "yes");
    memset(longest, 'x', sizeof longest);
    longest[STATE_FILE_VALUE_MAX] = '\0';
    assert_int_equal(state_file_set(&f, "long", longest), ERR_RANGE);
    longest[STATE_FILE_VALUE_MAX - 1] = '\0';
    assert_int_equal(state_file_set(&f, "long", longest), 0);
    assert_int_equal(state_file_set(&f, "", "x"), ERR_RANGE);
    for (unsigned i = 0; f.count < STATE_FILE_ENTRIES_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%u", i);
        assert_int_equal(state_file_set(&f, key, longest), 0);
    }
    assert_int_equal(state_file_set(&f, "one-more", "x"), ERR_FULL);
    assert_int_equal(state_file_set(&f, "k0", "x"), 0);
}

static void test_round_trip(void **state)
{
    const struct fixture *x = *state;
    struct state_file f = sample(), g;
    struct errmsg m = ERRMSG_INIT;
    struct stat st;
    assert_int_equal(state_file_load(x->path, &g, &m), ERR_NOTFOUND);
    assert_int_equal(state_file_write(x->path, &f, &m), 0);
    assert_int_equal(state_file_load(x->path, &g, &m), 0);
    assert_memory_equal(&f, &g, sizeof f);
    assert_int_equal(stat(x->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(state_file_set(&f, "started-since", "no"), 0);
    assert_int_equal(state_file_write(x->path, &f, &m), 0);
    assert_int_equal(state_file_load(x->path, &g, &m), 0);
    assert_string_equal(state_file_get(&g, "started-since"), "no");
}

static void test_every_damage_is_found(void **state)
{
    const struct fixture *x = *state;
    struct state_file f = sample(), g;
    uint8_t data[4096];
    size_t n;
    FILE *in;
    assert_int_equal(state_file_write(x->path, &f, NULL), 0);
    in = fopen(x->path, "rb");
    assert_non_null(in);
    n = fread(data, 1, sizeof data, in);
    (void)fclose(in);
    for (size_t i = 0; i < n; i++) {
        write_raw(x->path, data, i);
        assert_int_equal(state_file_load(x->path, &g, NULL), ERR_FORMAT);
        data[i] ^= 1;
        write_raw(x->path, data, n);
        data[i] ^= 1;
        assert_int_equal(state_file_load(x->path, &g, NULL), ERR_FORMAT);
    }
    write_raw(x->path, data, n);
    assert_int_equal(state_file_load(x->path, &g, NULL), 0);
}

static void test_failed_write_keeps_the_old(void **state)
{
    const struct fixture *x = *state;
    struct state_file f = sample(), g;
    struct errmsg m = ERRMSG_INIT;
    char missing[160];
    (void)snprintf(missing, sizeof missing, "%s/no/facts", x->dir);
    assert_int_equal(state_file_write(missing, &f, &m), ERR_NOTFOUND);
    assert_non_null(strstr(m.text, missing));
    assert_int_equal(state_file_write(x->path, &f, &m), 0);
    /* a directory where the temporary file should be */
    (void)snprintf(missing, sizeof missing, "%s.new", x->path);
    assert_int_equal(mkdir(missing, 0700), 0);
    assert_int_equal(state_file_set(&f, "started-since", "no"), 0);
    assert_int_not_equal(state_file_write(x->path, &f, &m), 0);
    assert_int_equal(rmdir(missing), 0);
    assert_int_equal(state_file_load(x->path, &g, &m), 0);
    assert_string_equal(state_file_get(&g, "started-since"), "yes");
}

struct saved {
    int calls;
    int err;
    char detail[ERRMSG_MAX];
};

static void on_saved(void *data, int err, const char *detail)
{
    struct saved *s = data;
    s->calls++;
    s->err = err;
    (void)snprintf(s->detail, sizeof s->detail, "%s", detail);
}

static void test_save_on_a_pool_thread(void **state)
{
    static struct state_save save;
    const struct fixture *x = *state;
    struct state_file f = sample(), g;
    struct saved s = {0};
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(state_save_start(&save, &loop, x->path, &f, on_saved, &s), 0);
    assert_int_equal(state_save_start(&save, &loop, x->path, &f, on_saved, &s), ERR_BUSY);
    state_file_init(&f); /* the job has a copy */
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(s.calls, 1);
    assert_int_equal(s.err, 0);
    assert_int_equal(state_file_load(x->path, &g, NULL), 0);
    assert_int_equal(g.count, 3);
    assert_int_equal(state_save_start(&save, &loop, "/dev/null/facts", &f, on_saved, &s), 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(s.calls, 2);
    assert_int_not_equal(s.err, 0);
    assert_non_null(strstr(s.detail, "/dev/null/facts"));
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_damage_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_write_keeps_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_on_a_pool_thread, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
