"""An InfluxQL query of Grafana's InfluxDB data source, for which the SDK has no model."""

from typing import Any, Self

from grafana_foundation_sdk.cog import variants
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATA_SOURCE_TYPE = "influxdb"


class InfluxQuery(variants.Dataquery, Builder[variants.Dataquery]):
    """A raw InfluxQL query; it is its own builder."""

    def __init__(
        self, *, ref_id: str, query: str, source: DataSourceRef, alias: str = "", table: bool
    ) -> None:
        """Ask `source` for `query`; `alias` names its series, `table` gives rows instead."""
        self.ref_id = ref_id
        self.query = query
        self.source = source
        self.alias = alias
        self.table = table

    def build(self) -> Self:
        """The query itself."""
        return self

    def to_json(self) -> dict[str, object]:
        """The query as Grafana keeps it."""
        return {
            "refId": self.ref_id,
            "datasource": self.source,
            "rawQuery": True,
            "query": self.query,
            "alias": self.alias,
            "resultFormat": "table" if self.table else "time_series",
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The query that Grafana keeps."""
        return cls(
            ref_id=data["refId"],
            query=data["query"],
            source=DataSourceRef.from_json(data["datasource"]),
            alias=data["alias"],
            table=data["resultFormat"] == "table",
        )
