"""A buyer in Python: makes a client from the .proto files, enqueues, polls until the order exists, and cancels.

Usage: buyer.py PROTO_FOLDER HOST:PORT
"""

import importlib
import pathlib
import sys
import tempfile
import time

import grpc
from grpc_tools import protoc


def generate(protos: pathlib.Path, out: str) -> None:
    """Compiles the protocol as any Python team would."""
    files = [str(path.relative_to(protos)) for path in protos.glob("inrush/v1/*.proto")]
    includes = pathlib.Path(protoc.__file__).parent / "_proto"
    flags = ["protoc", f"-I{protos}", f"-I{includes}", f"--python_out={out}", f"--grpc_python_out={out}"]
    if protoc.main([*flags, *files]) != 0:
        sys.exit("the .proto files do not compile")
    sys.path.insert(0, out)


def main() -> None:
    protos, address = pathlib.Path(sys.argv[1]), sys.argv[2]
    generate(protos, tempfile.mkdtemp())
    queue, queue_rpc, sale, sale_admin, sale_admin_rpc, ticket = (
        importlib.import_module(f"inrush.v1.{name}")
        for name in ("queue_pb2", "queue_pb2_grpc", "sale_pb2", "sale_admin_pb2", "sale_admin_pb2_grpc", "ticket_pb2")
    )
    channel = grpc.insecure_channel(address)
    admin = sale_admin_rpc.SaleAdminServiceStub(channel)
    buyers = queue_rpc.QueueServiceStub(channel)

    admin.CreateSale(sale_admin.CreateSaleRequest(sale=sale.Sale(sale_id="python", stock=10)))
    queued = buyers.Enqueue(queue.EnqueueRequest(sale_id="python", buyer_id="guido", units=1), timeout=10).queued
    deadline = time.monotonic() + 60
    while True:
        status = buyers.PollStatus(queue.PollStatusRequest(ticket=queued.ticket), timeout=10).status
        if status.state == ticket.TICKET_STATE_ORDERED:
            break
        assert time.monotonic() < deadline, f"no order yet: {status}"
        time.sleep(status.poll_after.ToTimedelta().total_seconds())
    assert status.order_id
    print("ordered", status.order_id)

    part = sale_admin.HoldSaleRequest(sale_id="python", part=sale_admin.SALE_PART_FULFILMENT)
    admin.HoldSale(part)
    queued = buyers.Enqueue(queue.EnqueueRequest(sale_id="python", buyer_id="barry", units=1)).queued
    assert queued.status.position == 1, queued
    cancelled = buyers.Cancel(queue.CancelRequest(ticket=queued.ticket))
    assert cancelled.cancelled, cancelled
    print("cancelled", cancelled.status.ticket_id)

    try:
        buyers.Enqueue(queue.EnqueueRequest(sale_id="python", buyer_id="", units=1))
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
        print("refused", error.details())
    else:
        sys.exit("an empty buyer was taken in")


if __name__ == "__main__":
    main()
