from inference.stats import OUTCOMES, Counts, WorkerStats
from p2pavs.metrics import render_metrics


def stats(**values):
    given = {
        "computing": 2,
        "waiting": 3,
        "restarts": 4,
        "crashes": 1,
        "hangs": 5,
        "requests": dict.fromkeys(OUTCOMES, 0) | {"answered": 6},
        "counts": Counts(7, 8, 9, 10, 1.5),
        "tokens_per_second": 11.5,
        "memory": 12,
    }
    return WorkerStats(**(given | values))


def lines(page):
    return [line for line in page.decode().splitlines() if not line.startswith("#")]


def test_plain_numbers_come_out_with_the_prefix():
    assert {"p2pavs_chain_head 7.0", "p2pavs_refused_total 2.0"} <= set(
        lines(render_metrics({"chain_head": 7}, {"refused": 2}))
    )


def test_each_worker_has_its_own_line():
    page = lines(
        render_metrics(
            {},
            {},
            [({"model": "a", "file": "01"}, stats()), ({"model": "b", "file": "02"}, stats(computing=0))],
        )
    )
    at = '{file="01",model="a"}'
    expected = {
        f"p2pavs_inference_computing{at} 2.0",
        'p2pavs_inference_computing{file="02",model="b"} 0.0',
        f"p2pavs_inference_waiting{at} 3.0",
        f"p2pavs_inference_restarts_total{at} 4.0",
        'p2pavs_inference_deaths_total{file="01",how="crash",model="a"} 1.0',
        'p2pavs_inference_deaths_total{file="01",how="hang",model="a"} 5.0',
        'p2pavs_inference_requests_total{file="01",model="a",outcome="answered"} 6.0',
        'p2pavs_inference_requests_total{file="01",model="a",outcome="timed_out"} 0.0',
        'p2pavs_inference_tokens_total{file="01",kind="generated",model="a"} 7.0',
        'p2pavs_inference_tokens_total{file="01",kind="reused",model="a"} 10.0',
        f"p2pavs_inference_busy_seconds_total{at} 1.5",
        f"p2pavs_inference_tokens_per_second{at} 11.5",
        f"p2pavs_inference_memory_bytes{at} 12.0",
    }
    assert expected <= set(page)
