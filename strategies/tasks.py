"""Celery's part in generation: a bell per work order; the row is the order."""

from celery import shared_task

from strategies.models import GenerationRun, SymbolResult
from strategies.services.generation import finish_run, generate_result


@shared_task
def generate_symbol(result_id: int) -> None:
    """Do one work order; twice is harmless."""
    generate_result(result_id)
    finish_run(SymbolResult.objects.select_related("run").get(pk=result_id).run)


def ring(run: GenerationRun) -> None:
    """Wake the workers for every pending work order of a run."""
    for pk in run.results.filter(status="pending").values_list("pk", flat=True):
        generate_symbol.delay(pk)
